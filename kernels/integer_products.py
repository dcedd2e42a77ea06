"""Kernels of sums of products of quantized integers, bit by bit as LiteRT's reference kernels.

Inside they run with channels last, as rows of bytes: 8-bit products, 32-bit sums, rescaled.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from edgec.ir import Array, Constant, Ints
from edgec.ir.ops import IntegerConv, IntegerConvTranspose, IntegerLinear, IntegerMatMul
from edgec.ir.ops.integer_products import Weighted
from edgec.ir.ops.windows import Window
from edgec.kernels.integer_fixed_point import bounds, factors, scale_of, zero_point_of
from edgec.kernels.integer_memo import Memo
from edgec.kernels.table import KERNELS

if TYPE_CHECKING:
    from edgec.kernels.loops.integer_sums import Depthwise, Product, Rescale
    from edgec.kernels.loops.integer_windows import Frame

# The constants of a layer as its loops read them: one product per group of channels.
Layer: TypeAlias = "tuple[Product, ...] | Depthwise"
OFFSET = 128  # what the rows of a product are above the operand's integers


_LAYERS: Memo[Layer] = Memo()
_FRAMES: Memo[dict[Ints, Frame]] = Memo()


@KERNELS.rule(IntegerConv)
def conv(op: IntegerConv, x: Array, w: Array, bias: Array | None, *, out: Array | None) -> Array:
    """Exact sums; the two roundings of TFLite's fixed-point factors."""
    from edgec.kernels.loops.integer_sums import Depthwise
    from edgec.kernels.loops.integer_windows import padded

    layer = _layer(op, w, bias)
    source = channels_last(x, op.layout)
    multiplier = w.shape[0] // op.groups
    if isinstance(layer, Depthwise) and multiplier > 1:
        source = np.repeat(source, multiplier, axis=-1)
    windows = _frame(op, source.shape, 1 if isinstance(layer, Depthwise) else w.shape[1])
    counts = windows.dims[3 - len(op.kernel) :, 2].tolist()
    shape = (x.shape[0], *counts, w.shape[0])
    y = np.empty(shape, np.int8) if out is None or op.layout != "nhwc" else out
    flat = y.reshape(-1)
    if not isinstance(layer, Depthwise) and _is_pointwise(op, source.shape, shape):
        layer[0].of_rows(source.reshape(-1, source.shape[-1]), flat)
        return placed(y, op.layout)
    images = padded(source, windows, zero_point_of(op.x))
    if isinstance(layer, Depthwise):
        layer.of_windows(images, windows, flat)
    elif op.groups == 1:
        layer[0].of_windows(images, windows, 0, flat)
    else:
        each = w.shape[0] // op.groups
        for group, product in enumerate(layer):
            part = np.empty((*shape[:-1], each), np.int8)
            product.of_windows(images, windows, group * w.shape[1], part.reshape(-1))
            y[..., group * each : (group + 1) * each] = part
    return placed(y, op.layout)


def _frame(op: IntegerConv, shape: Ints, channels: int) -> Frame:
    """The windows over images [N, *spatial, C] of that shape."""
    from edgec.kernels.loops.integer_windows import frame

    known = _FRAMES.of(op, dict)
    if shape not in known:
        window = op.window
        begin, end = window.padding(shape[1:-1])
        counts = window_counts(window, shape[1:-1], begin, end)
        known.clear()  # one shape at a time
        known[shape] = frame(
            shape, begin, end, op.kernel, window.strides, window.dilations, counts, channels
        )
    return known[shape]


def _is_pointwise(op: IntegerConv, before: Ints, after: Ints) -> bool:
    """Windows of one element, one at each, of all channels."""
    return prod(op.kernel) == 1 and op.groups == 1 and before[:-1] == after[:-1]


@KERNELS.rule(IntegerLinear)
def linear(
    op: IntegerLinear, x: Array, w: Array, bias: Array | None, *, out: Array | None
) -> Array:
    """Exact sums; one rounding of a double, or the two of TFLite's fixed-point factors."""
    layer = _layer(op, w, bias)
    assert isinstance(layer, tuple), "only convolutions sum by channel"
    rows = np.ascontiguousarray(x).reshape(-1, x.shape[-1])
    y = np.empty((*x.shape[:-1], w.shape[0]), np.int8) if out is None else out
    layer[0].of_rows(rows, y.reshape(-1))
    return y


@KERNELS.rule(IntegerConvTranspose)
def conv_transpose(op: IntegerConvTranspose, x: Array, w: Array, bias: Array | None) -> Array:
    """Exact sums; the two roundings of TFLite's fixed-point factors."""
    totals = _scattered(op, channels_last(x, op.layout), w)
    begin, end = op.window.padding(x.shape[1:-1])
    cropped = tuple(
        slice(b, size - e) for b, e, size in zip(begin, end, totals.shape[1:-1], strict=True)
    )
    kept = np.ascontiguousarray(totals[(slice(None), *cropped)])
    y = np.empty(kept.shape, np.int8)
    rescale = _rescale(op, w, bias, -zero_point_of(op.x))  # the sums are of what x stands for
    rescale(kept.reshape(-1), w.shape[0], prod(kept.shape[:-1]), y.reshape(-1), w.shape[0])
    return placed(y, op.layout)


def _scattered(op: IntegerConvTranspose, x: Array, w: Array) -> Array:
    """Each pixel times the weights, added where its taps lie: i32 [N, *spatial, O]."""
    from edgec.kernels.loops.integer_product import packed
    from edgec.kernels.loops.integer_sums import sums_of_rows

    spatial, strides = x.shape[1:-1], op.window.strides
    weights = packed(np.moveaxis(w, 0, -1).reshape(w.shape[1], -1).T)  # of each tap and output
    products = sums_of_rows(np.ascontiguousarray(x).reshape(-1, x.shape[-1]), weights)
    products -= (weights.sums * zero_point_of(op.x)).astype(np.int32)
    found = products.reshape(x.shape[0], *spatial, *op.kernel, w.shape[0])
    extra = op.output_padding or (0,) * len(spatial)
    sizes = [
        step * (size - 1) + taps + more
        for step, size, taps, more in zip(strides, spatial, op.kernel, extra, strict=True)
    ]
    totals = np.zeros((x.shape[0], *sizes, w.shape[0]), np.int32)
    pixels = (slice(None),) * (1 + len(spatial))
    for tap in np.ndindex(*op.kernel):
        reached = tuple(
            slice(first, first + step * size, step)
            for first, step, size in zip(tap, strides, spatial, strict=True)
        )
        totals[(slice(None), *reached)] += found[(*pixels, *tap)]
    return totals


@KERNELS.rule(IntegerMatMul)
def matmul(op: IntegerMatMul, a: Array, b: Array) -> Array:
    """Exact sums; the two roundings of TFLite's fixed-point factor."""
    from edgec.kernels.loops.integer_product import packed
    from edgec.kernels.loops.integer_rescale import rescale
    from edgec.kernels.loops.integer_sums import sums_of_rows

    left = np.swapaxes(a, -1, -2) if op.transpose_a else a
    right = np.swapaxes(b, -1, -2) if op.transpose_b else b
    batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    left = np.broadcast_to(left, (*batch, *left.shape[-2:]))
    right = np.broadcast_to(right, (*batch, *right.shape[-2:]))
    a_point, b_point = zero_point_of(op.a), zero_point_of(op.b)
    depth = left.shape[-1]
    totals = np.empty((*batch, left.shape[-2], right.shape[-1]), np.int32)
    for index in np.ndindex(*batch):
        rows = np.ascontiguousarray(left[index])
        weights = packed(right[index].T)
        row_sums = rows.sum(axis=1, dtype=np.int64)[:, None]
        rest = a_point * weights.sums + b_point * row_sums - depth * a_point * b_point
        totals[index] = sums_of_rows(rows, weights) - rest
    product = scale_of(op.a) * scale_of(op.b)  # in float32
    by = factors(np.float64(product) / np.float64(op.scale))
    ends = np.array((op.zero_point, *bounds("none", op.grid)), np.int64)
    y = np.empty(totals.shape, np.int8)
    none = np.zeros(1, np.int32)
    count = totals.size
    rescale(totals.reshape(-1), 1, count, none, by.mantissas, by.shifts, ends, y.reshape(-1), 1)
    return y


# -- the constants of a layer -------------------------------------------------------------------


def _layer(op: IntegerConv | IntegerLinear, w: Array, bias: Array | None) -> Layer:
    """Packed once for an op with constant weights."""
    if not isinstance(op.w, Constant) or not (op.bias is None or isinstance(op.bias, Constant)):
        return _prepared(op, w, bias)
    return _LAYERS.of(op, lambda: _prepared(op, w, bias))


def _prepared(op: IntegerConv | IntegerLinear, w: Array, bias: Array | None) -> Layer:
    from edgec.kernels.loops.integer_product import packed
    from edgec.kernels.loops.integer_sums import Depthwise, Product
    from edgec.kernels.loops.integer_windows import by_channel

    groups = op.groups if isinstance(op, IntegerConv) else 1
    rescale = _rescale(op, w, bias)
    if groups > 1 and w.shape[1] == 1:
        taps = np.ascontiguousarray(w.reshape(w.shape[0], -1).T)
        return Depthwise.of(by_channel(taps), taps, rescale)
    rows = np.moveaxis(w, 1, -1).reshape(w.shape[0], -1)  # taps, then channels
    each = w.shape[0] // groups
    spans = [slice(g * each, (g + 1) * each) for g in range(groups)]
    return tuple(Product.of(packed(rows[span]), rescale.columns(span)) for span in spans)


def _rescale(op: Weighted, w: Array, bias: Array | None, shift: int = OFFSET) -> Rescale:
    """The rescaling of sums of what is ``shift`` above the operand's integers."""
    from edgec.kernels.loops.integer_sums import Rescale

    count = w.shape[0]
    quant = op.w.type.quant
    assert quant is not None, "the op has been checked"
    scales = np.broadcast_to(np.asarray(quant.scale, np.float32), (count,)).astype(np.float64)
    real = np.float64(scale_of(op.x)) * scales / np.float64(op.scale)
    exact = isinstance(op, IntegerLinear) and op.rounding == "float64"
    if isinstance(op, IntegerLinear) and not exact and quant.axis is None:
        real = np.full(count, np.float64(scale_of(op.x) * scale_of(op.w)) / np.float64(op.scale))
    by = factors(real)
    flat = w.reshape(count, -1)
    added = -(zero_point_of(op.x) + shift) * flat.sum(axis=1, dtype=np.int64)
    if bias is not None:
        added += bias
    reach = 255 * np.abs(flat.astype(np.int64)).sum(axis=1) + np.abs(added)
    ends = np.array((op.zero_point, *bounds(op.activation, op.grid)), np.int64)
    return Rescale(
        added.astype(np.int32), by.mantissas, by.shifts, real if exact else None, ends,
        int(reach.max(initial=0)),
    )  # fmt: skip


# -- layouts and windows ------------------------------------------------------------------------


def window_counts(window: Window, sizes: Ints, begin: Ints, end: Ints) -> Ints:
    """Number of windows along each axis of those sizes."""
    return tuple(
        (size + begin[i] + end[i] - window.extents[i]) // window.strides[i] + 1
        for i, size in enumerate(sizes)
    )


def channels_last(x: Array, layout: str) -> Array:
    """``x`` contiguous with channels last."""
    return x if layout == "nhwc" else np.ascontiguousarray(np.moveaxis(x, 1, -1))


def placed(y: Array, layout: str) -> Array:
    """A result with channels last, contiguous in the layout."""
    return y if layout == "nhwc" else np.ascontiguousarray(np.moveaxis(y, -1, 1))
