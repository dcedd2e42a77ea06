"""Ops that work along some axes and leave the others alone."""

from __future__ import annotations

from edgec.ir import known_ints
from edgec.ir.ops import (
    CumProd,
    CumSum,
    Dequantize,
    Hardmax,
    LayerNorm,
    LogSoftmax,
    LpNorm,
    Quantize,
    ReduceL1,
    ReduceL2,
    ReduceLogSum,
    ReduceLogSumExp,
    ReduceMax,
    ReduceMean,
    ReduceMin,
    ReduceProd,
    ReduceSum,
    ReduceSumSquare,
    Resize,
    RmsNorm,
    Softmax,
)
from edgec.ir.ops.quant import is_per_tensor
from edgec.ir.ops.reduce import Reduce
from edgec.passes.channels.links import CHANNELS, Links


@CHANNELS.rule(
    ReduceL1, ReduceL2, ReduceLogSum, ReduceLogSumExp, ReduceMax, ReduceMean, ReduceMin, ReduceProd,
    ReduceSum, ReduceSumSquare,
)  # fmt: skip
def reduce(op: Reduce, links: Links) -> None:
    kept = [axis for axis in range(op.x.type.rank) if axis not in op.axes]
    for place, axis in enumerate(kept):
        links.same(op.x, axis, op.result, axis if op.keepdims else place)


@CHANNELS.rule(CumProd, CumSum, Hardmax, LogSoftmax, LpNorm, Softmax)
def along_one_axis(
    op: CumProd | CumSum | Hardmax | LogSoftmax | LpNorm | Softmax, links: Links
) -> None:
    own = op.attribute("axis")
    for axis in range(op.operands[0].type.rank):  # type: ignore[union-attr]  # x is present
        if axis != own:
            links.same(op.operands[0], axis, op.result, axis)  # type: ignore[arg-type]


@CHANNELS.rule(LayerNorm, RmsNorm)
def normalization(op: LayerNorm | RmsNorm, links: Links) -> None:
    """The axes before the first that is normalized; those after it share a mean."""
    for axis in range(op.axis):
        links.same(op.x, axis, op.result, axis)


@CHANNELS.rule(Resize)
def resize(op: Resize, links: Links) -> None:
    """Axes that keep their length."""
    if op.coordinates == "tf_crop_and_resize":
        return
    if op.sizes is not None and known_ints(op.sizes) is None:
        return
    for axis in range(op.x.type.rank):
        if axis not in op.resized_axes or op.x.type.dims[axis] == op.result.type.dims[axis]:
            links.same(op.x, axis, op.result, axis)


@CHANNELS.rule(Dequantize, Quantize)
def quantization(op: Dequantize | Quantize, links: Links) -> None:
    if op.block:
        return
    for axis in range(op.x.type.rank):
        links.same(op.x, axis, op.result, axis)
    for value in (op.scale, op.zero_point):
        if value is not None and not is_per_tensor(value):
            links.same(value, 0, op.result, op.axis)
