"""Averages and interpolation of quantized integers."""

from __future__ import annotations

from edgec.ir import Dim
from edgec.ir.ops import IntegerAvgPool, IntegerResize
from edgec.lowering.tflite.integer import fused
from edgec.lowering.tflite.layouts import (
    as_given,
    channels_last,
    lifted,
    lowered,
    padding_of,
    two_axes,
)
from edgec.lowering.tflite.nn import counts
from edgec.lowering.tflite.table import TFLITE, Unwritable
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer


@TFLITE.rule(IntegerAvgPool)
def avg_pool(op: IntegerAvgPool, w: Writer) -> Tensor:
    """The operator itself pads, as it leaves padding out of the mean."""
    x = channels_last(w[op.x], op.layout, w)
    rank = x.rank
    if rank > 4:
        raise Unwritable("AVERAGE_POOL_2D averages over two axes at most, on integers")
    padding = padding_of(op.window, x.dims[1:-1])
    if any((*padding.begins, *padding.ends)):
        raise Unwritable("AVERAGE_POOL_2D pads as SAME does, or not at all")
    x = lifted(x, w)
    kernel, stride = two_axes(op.kernel), two_axes(op.window.strides)
    sizes: list[Dim] = counts(x.dims[1:3], kernel, stride, (1, 1), padding.kind)
    y = w.op(
        "AVERAGE_POOL_2D", x, dims=(x.dims[0], *sizes, x.dims[3]), padding=padding.kind,
        stride_h=stride[0], stride_w=stride[1], filter_height=kernel[0], filter_width=kernel[1],
        **fused(op.activation),
    )  # fmt: skip
    return as_given(lowered(y, rank, w), op.layout, w)


@TFLITE.rule(IntegerResize)
def resize(op: IntegerResize, w: Writer) -> Tensor:
    x = channels_last(w[op.x], op.layout, w)
    y = w.op(
        "RESIZE_BILINEAR", x, w.ints(op.sizes), dims=(x.dims[0], *op.sizes, x.dims[3]),
        half_pixel_centers=op.coordinates == "half_pixel",
        align_corners=op.coordinates == "align_corners",
    )  # fmt: skip
    return as_given(y, op.layout, w)
