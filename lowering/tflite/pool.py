"""Pooling over sliding windows."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array, Dim, Ints, Op, Value, dtypes
from edgec.ir.ops import AvgPool, Clip, Conv, LpPool, MatMul, MaxPool, MaxUnpool, Relu, Sigmoid
from edgec.ir.ops.pool import Pool
from edgec.ir.ops.windows import Window
from edgec.lowering.tflite.layouts import (
    VALID,
    Padding,
    as_given,
    channels_last,
    pad_spatial,
    padding_of,
)
from edgec.lowering.tflite.legalize import binary, scaled
from edgec.lowering.tflite.nn import counts
from edgec.lowering.tflite.shapes import reshaped
from edgec.lowering.tflite.table import PIN, TFLITE, Unwritable
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer

LOWEST = float(np.finfo(np.float32).min)


@TFLITE.rule(MaxPool)
def max_pool(op: MaxPool, w: Writer) -> Tensor:
    if op.indices:
        raise Unwritable("MAX_POOL_2D gives no positions of the maxima")
    x = channels_last(w[op.x], op.layout, w)
    spatial = x.dims[1:-1]
    if any(step > 1 for step in op.window.dilations):
        y = _dilated_max(op, x, w)
    else:
        padding = padding_of(op.window, spatial)
        x = pad_spatial(x, padding, w, _lowest(op.x))
        y = windowed("MAX_POOL_2D", x, op.window, padding.kind, w)
    return as_given(y, op.layout, w)


def _dilated_max(op: MaxPool, x: Tensor, w: Writer) -> Tensor:
    """The maximum over shifted copies, one for each tap."""
    padding = _explicit(op, x.dims[1:-1])
    x = pad_spatial(x, padding, w, _lowest(op.x))
    taps = [tap(x, op.window, offset, w) for offset in np.ndindex(op.window.kernel)]
    y = taps[0]
    for other in taps[1:]:
        y = binary("MAXIMUM", y, other, w)
    return y


def _lowest(x: Value) -> float:
    """What padding may be filled with; 0 stands for PAD's own, which is the zero point of a
    grid."""
    quant = x.type.quant
    if quant is not None:
        return 0.0 if quant.zero_point[0] == quant.low else quant.low
    return 0.0 if is_never_negative(x) else LOWEST


def tap(x: Tensor, window: Window, offset: Ints, w: Writer) -> Tensor:
    """What one tap of every window reads of the padded x [N, *spatial, C]."""
    sizes = [dim for dim in x.dims[1:-1] if isinstance(dim, int)]
    if len(sizes) != window.axes:
        raise Unwritable("dilated windows want known spatial dims")
    number = Window(window.kernel, window.stride, (), window.dilation).counts(sizes)
    begins, ends = [0], [0]
    for i, count in enumerate(number):
        assert isinstance(count, int)
        first = offset[i] * window.dilations[i]
        begins.append(first)
        ends.append(first + (count - 1) * window.strides[i] + 1)
    steps = (1, *window.strides, 1)
    mask = 1 | 1 << (x.rank - 1)
    return w.op("STRIDED_SLICE", x, w.ints([*begins, 0]), w.ints([*ends, 0]), w.ints(steps),
                dims=(x.dims[0], *number, x.dims[-1]), begin_mask=mask, end_mask=mask)  # fmt: skip


def windowed(builtin: str, x: Tensor, window: Window, kind: int, w: Writer) -> Tensor:
    """A pooling operator over [N, *spatial, C]: one or two axes, or two and then the third."""
    if window.axes == 2:
        return _pool(builtin, x, window.kernel, window.strides, kind, w)
    if window.axes == 1:
        n, length, channels = x.dims
        y = reshaped(x, (n, 1, length, channels), w)
        y = _pool(builtin, y, (1, *window.kernel), (1, *window.strides), kind, w)
        return reshaped(y, (n, *y.dims[2:]), w)
    n, depth, height, width, channels = x.dims
    y = reshaped(x, (n * depth, height, width, channels), w)
    y = _pool(builtin, y, window.kernel[1:], window.strides[1:], kind, w)
    _, height, width, _ = y.dims
    y = reshaped(y, (n, depth, height * width, channels), w)
    y = _pool(builtin, y, (window.kernel[0], 1), (window.strides[0], 1), kind, w)
    return reshaped(y, (n, y.dims[1], height, width, channels), w)


def _pool(builtin: str, x: Tensor, kernel: Ints, stride: Ints, kind: int, w: Writer) -> Tensor:
    sizes = counts(x.dims[1:3], kernel, stride, (1, 1), kind)
    return w.op(
        builtin, x, dims=(x.dims[0], *sizes, x.dims[3]), padding=kind,
        stride_h=stride[0], stride_w=stride[1], filter_height=kernel[0], filter_width=kernel[1],
    )  # fmt: skip


@TFLITE.rule(AvgPool)
def avg_pool(op: AvgPool, w: Writer) -> Tensor:
    """Directly where the operator counts as the op does, else from zero-padded windows, each
    multiplied by what a whole window holds over what it is to count."""
    x = channels_last(w[op.x], op.layout, w)
    dilated = any(step > 1 for step in op.window.dilations)
    if not dilated and _counts_alike(op, x.dims[1:-1]):
        kind = padding_of(op.window, x.dims[1:-1]).kind
        return as_given(windowed("AVERAGE_POOL_2D", x, op.window, kind, w), op.layout, w)
    padding = _explicit(op, x.dims[1:-1])
    sizes = _known(x.dims[1:-1])
    x = pad_spatial(x, padding, w)
    if dilated:
        y, whole = _sum_of_taps(op, x, w), 1
    else:
        y = windowed("AVERAGE_POOL_2D", x, op.window, VALID, w)
        whole = int(np.prod(op.kernel))
    factors = whole / samples(op, sizes)
    if np.all(factors == factors.flat[0]):
        return as_given(scaled(y, float(factors.flat[0]), w), op.layout, w)
    spread = w.like(factors[None, ..., None], y)
    return as_given(binary("MUL", y, spread, w), op.layout, w)


def _counts_alike(op: AvgPool, spatial: tuple[Dim, ...]) -> bool:
    """AVERAGE_POOL_2D counts what lies inside x, and knows SAME and VALID only."""
    sizes = tuple(dim for dim in spatial if isinstance(dim, int))
    if len(sizes) != len(spatial):
        plain = op.auto_pad == "explicit" and not any(op.pads) and not op.ceil
        if not plain:
            raise Unwritable("an average over padding wants known dims", PIN)
        return True
    padding = padding_of(op.window, sizes)
    if any((*padding.begins, *padding.ends)):
        return False
    if padding.kind == VALID:
        return True
    begins, ends = op.window.padding(sizes)
    unpadded = not any((*begins, *ends))
    return op.window.axes < 3 and (unpadded or not op.count_include_pad)


def _known(spatial: tuple[Dim, ...]) -> Ints:
    sizes = tuple(dim for dim in spatial if isinstance(dim, int))
    if len(sizes) != len(spatial):
        raise Unwritable("padding of dims that are not known", PIN)
    return sizes


def _explicit(op: Pool, spatial: tuple[Dim, ...]) -> Padding:
    """The padding before the op, as far as its windows reach."""
    window, sizes = op.window, _known(spatial)
    begins, _ = window.padding(sizes)
    reach = []
    for i, count in enumerate(window.counts(sizes)):
        assert isinstance(count, int)
        last = (count - 1) * window.strides[i] + window.extents[i]
        reach.append(max(last - sizes[i] - begins[i], 0))
    return Padding(VALID, begins, tuple(reach))


def samples(op: AvgPool, sizes: Ints) -> Array:
    """How many samples each window averages, over the spatial axes."""
    window = op.window
    begins, ends = window.padding(sizes)
    reach = _explicit(op, sizes).ends
    total = np.ones(())
    for i, size in enumerate(sizes):
        inside = np.zeros(size + begins[i] + max(reach[i], ends[i]))
        first = 0 if op.count_include_pad else begins[i]
        last = begins[i] + size + (ends[i] if op.count_include_pad else 0)
        inside[first:last] = 1
        count = window.counts(sizes)[i]
        assert isinstance(count, int)
        starts = np.arange(count) * window.strides[i]
        taps = starts[:, None] + np.arange(window.kernel[i]) * window.dilations[i]
        total = total[..., None] * inside[taps].sum(axis=1)
    return np.asarray(total)


def _sum_of_taps(op: Pool, x: Tensor, w: Writer) -> Tensor:
    taps = [tap(x, op.window, offset, w) for offset in np.ndindex(op.window.kernel)]
    y = taps[0]
    for other in taps[1:]:
        y = binary("ADD", y, other, w)
    return y


@TFLITE.rule(LpPool)
def lp_pool(op: LpPool, w: Writer) -> Tensor:
    x = channels_last(w[op.x], op.layout, w)
    x = pad_spatial(w.op("ABS", x), _explicit(op, x.dims[1:-1]), w)
    powered = _power(x, op.p, w)
    if any(step > 1 for step in op.window.dilations):
        y = _sum_of_taps(op, powered, w)
    else:
        mean = windowed("AVERAGE_POOL_2D", powered, op.window, VALID, w)
        y = scaled(mean, float(np.prod(op.kernel)), w)
    if op.p == 2:
        y = w.op("SQRT", y)
    elif op.p > 2:
        y = binary("POW", y, w.like(1 / op.p, y), w)
    return as_given(y, op.layout, w)


def _power(x: Tensor, exponent: int, w: Writer) -> Tensor:
    if exponent == 1:
        return x
    return w.op("SQUARE", x) if exponent == 2 else binary("POW", x, w.like(exponent, x), w)


def is_never_negative(x: Value) -> bool:
    """True when padding with 0 is as good as with the lowest number."""
    op: Op | None = x.producer
    if isinstance(op, (Relu, Sigmoid)):
        return True
    if isinstance(op, Clip):
        return op.low >= 0
    if isinstance(op, (Conv, MatMul)):
        if op.act == "clip":
            return bool(op.act_params[0] >= 0)
        return op.act in ("relu", "sigmoid", "hard_sigmoid")
    return False


@TFLITE.rule(MaxUnpool)
def max_unpool(op: MaxUnpool, w: Writer) -> Tensor:
    """By scattering into zeros."""
    if op.shape is not None:
        raise Unwritable("unpooling to larger dims is not written", "leave out its third operand")
    dims = op.result.type.static_dims
    if dims is None:
        raise Unwritable(f"unpooling is written with known dims, found {op.x.type}")
    total = int(np.prod(dims))
    count = op.x.type.elements()
    places = reshaped(w.cast(w[op.indices], dtypes.i32), (count, 1), w)
    updates = reshaped(w[op.x], (count,), w)
    y = w.op("SCATTER_ND", places, updates, w.ints([total]), dims=(total,), dtype=updates.dtype)
    return reshaped(y, dims, w)
