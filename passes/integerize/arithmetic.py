"""Sums, products, means and interpolation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgec.ir import Constant, Op, TensorType, Value, dtypes
from edgec.ir.ops import (
    Add,
    AvgPool,
    IntegerAdd,
    IntegerAvgPool,
    IntegerBinary,
    IntegerMean,
    IntegerMul,
    IntegerResize,
    IntegerSub,
    Mul,
    Pad,
    ReduceMean,
    Resize,
    Sub,
)
from edgec.passes.integerize.moves import FLOAT_OPERAND, copied
from edgec.passes.integerize.products import FLOAT_RESULT
from edgec.passes.integerize.site import CLAMPS, Site
from edgec.passes.integerize.table import INTEGERIZE, Answer

_BINARY: Mapping[type[Op], type[IntegerBinary]] = {
    Add: IntegerAdd,
    Sub: IntegerSub,
    Mul: IntegerMul,
}
# Where outputs lie, as TFLite says it; half a pixel is kept out of the frame by both variants.
_LAYOUTS: Mapping[tuple[int, ...], str] = {(1, 2): "nhwc", (2, 3): "nchw"}
_COORDINATES = {
    "half_pixel": "half_pixel",
    "half_pixel_symmetric": "half_pixel",
    "pytorch_half_pixel": "half_pixel",
    "align_corners": "align_corners",
    "asymmetric": "asymmetric",
}


@INTEGERIZE.rule(Add, Sub, Mul)
def binary(op: Add | Sub | Mul, site: Site) -> Answer:
    x, y = site.integer(op.x), site.integer(op.y)
    if x is None or y is None:
        return FLOAT_OPERAND
    if site.grid is None or site.act not in CLAMPS:
        return FLOAT_RESULT
    return site.clamped(site.add(_BINARY[type(op)](x, y, **site.fields())))


@INTEGERIZE.rule(ReduceMean)
def mean(op: ReduceMean, site: Site) -> Answer:
    x = site.integer(op.x)
    if x is None:
        return FLOAT_OPERAND
    if site.grid is None or site.act != "none":
        return FLOAT_RESULT
    fields = site.fields()
    return site.add(IntegerMean(x, axes=op.axes, keepdims=op.keepdims, **fields))


@INTEGERIZE.rule(AvgPool)
def avg_pool(op: AvgPool, site: Site) -> Answer:
    """The mean of whole images is rescaled as it is taken; others are on the operand's grid."""
    x = site.integer(op.x)
    if x is None or x.type.quant is None:
        return FLOAT_OPERAND
    if site.grid is None or site.act != "none":
        return FLOAT_RESULT
    sizes = x.type.static_dims
    if sizes is None:
        return "the size of the images is not known"
    spatial = sizes[2:] if op.layout == "nchw" else sizes[1:-1]
    window = op.window
    if any(step != 1 for step in window.dilations):
        return "windows with dilation have no mean on integers"
    begin, end = window.padding(spatial)
    if op.kernel == spatial and not any((*begin, *end)):
        first = 2 if op.layout == "nchw" else 1
        axes = tuple(range(first, first + len(spatial)))
        return site.add(IntegerMean(x, axes=axes, **site.fields()))
    if window.ceil and window.counts(spatial) != _floored(op).counts(spatial):
        return "the last window overhangs the image"
    pads = (*begin, *end)
    if op.count_include_pad and any(pads):
        x, pads = _padded(x, pads, op.layout, site), ()
    made = IntegerAvgPool(x, kernel=op.kernel, stride=op.stride, pads=pads, layout=op.layout)
    return site.requantized(site.add(made), site.grid)


def _floored(op: AvgPool) -> Any:
    from dataclasses import replace

    return replace(op.window, ceil=False)


def _padded(x: Value, pads: tuple[int, ...], layout: str, site: Site) -> Value:
    """With zero points around the spatial axes, which then count."""
    quant, axes = x.type.quant, len(pads) // 2
    assert quant is not None, "the operand is quantized"
    first = 2 if layout == "nchw" else 1
    zero = Constant(np.array(quant.zero_point[0], np.int8), type=TensorType(dtypes.i8, (), quant))
    count = Constant(np.array(pads, np.int64))
    return site.add(Pad(x, count, zero, axes=tuple(range(first, first + axes))))


@INTEGERIZE.rule(Resize)
def resize(op: Resize, site: Site) -> Answer:
    x = site.integer(op.x)
    if x is None or x.type.quant is None:
        return FLOAT_OPERAND
    if op.mode == "nearest" and op.coordinates in _COORDINATES:
        return copied(op, site, (x, *op.operands[1:]))
    if op.mode != "linear" or op.exclude_outside or op.antialias:
        return f"mode {op.mode} leaves the grid, or averages more than two samples an axis"
    layout = _LAYOUTS.get(_resized(op))
    dims, sizes = op.x.type.static_dims, op.result.type.static_dims
    if layout is None or dims is None or sizes is None or op.coordinates not in _COORDINATES:
        return "it resizes other axes than height and width, or to a size not known"
    first = 1 if layout == "nhwc" else 2
    before, after = dims[first : first + 2], sizes[first : first + 2]
    if not _is_ratio(op, before, after):
        return "its scales are not the ratios of the sizes"
    coordinates = _COORDINATES[op.coordinates]
    made = site.add(IntegerResize(x, sizes=after, coordinates=coordinates, layout=layout))
    return made if site.grid is None else site.requantized(made, site.grid)


def _resized(op: Resize) -> tuple[int, ...]:
    """The axes whose size changes."""
    pairs = zip(op.x.type.dims, op.result.type.dims, strict=True)
    changing = tuple(axis for axis, (before, after) in enumerate(pairs) if before != after)
    if op.x.type.rank != 4 or not changing:
        return ()
    return next((axes for axes in _LAYOUTS if set(changing) <= set(axes)), ())


def _is_ratio(op: Resize, before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Positions follow from the sizes, whatever the scales were."""
    if op.coordinates == "align_corners":
        return all(size > 1 for size in after)
    if op.coordinates == "pytorch_half_pixel" and 1 in after:
        return False
    if op.scales is None:
        return op.keep_aspect == "stretch"
    if not isinstance(op.scales, Constant):
        return False
    scales = dict(zip(op.resized_axes, op.scales.array.astype(np.float64).tolist(), strict=True))
    pairs = zip(op.x.type.dims, op.result.type.dims, strict=True)
    return all(
        isinstance(b, int) and b * scales.get(axis, 1.0) == a for axis, (b, a) in enumerate(pairs)
    )
