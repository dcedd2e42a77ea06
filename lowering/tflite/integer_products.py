"""Convolutions and matrix products of quantized integers: per-channel weights, i32 biases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgec.ir import Quant, Value, dtypes
from edgec.ir.ops import IntegerConv, IntegerConvTranspose, IntegerLinear, IntegerMatMul
from edgec.ir.ops.common import per_axis
from edgec.ir.ops.integer_products import Weighted
from edgec.lowering.tflite.dims import vector
from edgec.lowering.tflite.integer import fused, grid_of
from edgec.lowering.tflite.layouts import (
    SAME,
    VALID,
    as_given,
    channels_last,
    crops_as_same,
    lifted,
    lowered,
    pad_spatial,
    padding_of,
    two_axes,
)
from edgec.lowering.tflite.linear import fully_connected, product_dims
from edgec.lowering.tflite.nn import counts, weights_2d
from edgec.lowering.tflite.shapes import cropped, transposed
from edgec.lowering.tflite.table import TFLITE, Unwritable
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer


def _arranged(w_value: Value, perm: Sequence[int], channels: int, w: Writer) -> Tensor:
    """Constant weights under other axes; ``channels`` is where those of the result then are."""
    found = w[w_value]
    if found.array is None:
        raise Unwritable("integer weights are computed at run time")
    quant = grid_of(w_value)
    if quant.axis is not None:
        quant = replace(quant, axis=channels)
    array = transposed(w.const(weights_2d(found, w).array), perm, w).array
    assert array is not None
    return Tensor(dtypes.i8, array.shape, array, found.name, quant=quant)


def _bias(op: Weighted, w: Writer) -> Tensor:
    """In steps of the operand's scale times that of the weights; zeros when there is none."""
    channels = op.w.type.dims[0]
    assert isinstance(channels, int)
    steps = np.float32(grid_of(op.x).scale[0]) * np.asarray(grid_of(op.w).scale, np.float32)
    axis = None if steps.size == 1 else 0
    quant = Quant(tuple(map(float, steps)), (0,) * steps.size, axis, -(2**31), 2**31 - 1)
    if op.bias is None:
        return Tensor(dtypes.i32, (channels,), np.zeros(channels, np.int32), quant=quant)
    given = w[op.bias]
    if given.array is None:
        raise Unwritable("an integer bias is computed at run time")
    return Tensor(dtypes.i32, given.dims, given.array, given.name, quant=quant)


@TFLITE.rule(IntegerConv)
def conv(op: IntegerConv, w: Writer) -> Tensor:
    x = channels_last(w[op.x], op.layout, w)
    rank = x.rank
    if rank > 4:
        raise Unwritable("CONV_3D computes on floats only")
    padding = padding_of(op.window, x.dims[1:-1])
    x = lifted(pad_spatial(x, padding, w), w)
    stride, dilation = two_axes(op.window.strides), two_axes(op.window.dilations)
    options: dict[str, Any] = {
        "padding": padding.kind,
        "stride_h": stride[0], "stride_w": stride[1],
        "dilation_h_factor": dilation[0], "dilation_w_factor": dilation[1],
        **fused(op.activation),
    }  # fmt: skip
    sizes = counts(x.dims[1:3], two_axes(op.kernel), stride, dilation, padding.kind)
    rows = op.w.type.dims[0]
    assert isinstance(rows, int)
    dims = (x.dims[0], *sizes, rows)
    if op.groups > 1 and op.groups == x.dims[3]:
        weights = _arranged(op.w, (1, 2, 3, 0), 3, w)
        y = w.op("DEPTHWISE_CONV_2D", x, weights, _bias(op, w), dims=dims, quant=op.grid,
                 depth_multiplier=rows // op.groups, **options)  # fmt: skip
    else:
        weights = _arranged(op.w, (0, 2, 3, 1), 0, w)
        y = w.op("CONV_2D", x, weights, _bias(op, w), dims=dims, quant=op.grid, **options)
    return as_given(lowered(y, rank, w), op.layout, w)


@TFLITE.rule(IntegerConvTranspose)
def conv_transpose(op: IntegerConvTranspose, w: Writer) -> Tensor:
    """SAME where the cropping is what SAME crops, else everything, then cropped."""
    x = channels_last(w[op.x], op.layout, w)
    rank = x.rank
    if rank > 4:
        raise Unwritable("CONV_3D_TRANSPOSE computes on floats only")
    x = lifted(x, w)
    weights = _arranged(op.w, (0, 2, 3, 1), 0, w)
    stride, axes = two_axes(op.window.strides), len(op.kernel)
    pads = per_axis(op.pads, 2 * axes, "pads", default=0)
    extra = two_axes(per_axis(op.output_padding, axes, "output_padding", default=0), 0)
    begins, ends = two_axes(pads[:axes], 0), two_axes(pads[axes:], 0)
    kernel = two_axes(op.kernel)
    full = [stride[i] * (x.dims[1 + i] - 1) + kernel[i] for i in (0, 1)]
    sizes = [full[i] - begins[i] - ends[i] + extra[i] for i in (0, 1)]
    columns = weights.dims[0]
    dims = (x.dims[0], *sizes, columns)
    same = crops_as_same(x.dims[1:-1], stride, kernel, begins, sizes)
    if not same and any(extra[i] > ends[i] for i in (0, 1)):
        raise Unwritable("output_padding beyond what the windows reach")
    whole = dims if same else (x.dims[0], *full, columns)
    y = w.op(
        "TRANSPOSE_CONV", vector(whole, [x], w), weights, x, _bias(op, w), dims=whole,
        dtype=dtypes.i8, quant=op.grid, padding=SAME if same else VALID,
        stride_h=stride[0], stride_w=stride[1], **fused(op.activation),
    )  # fmt: skip
    y = y if same else cropped(y, (0, *begins, 0), dims, w)
    return as_given(lowered(y, rank, w), op.layout, w)


@TFLITE.rule(IntegerLinear)
def linear(op: IntegerLinear, w: Writer) -> Tensor:
    x = w[op.x]
    found = w[op.w]
    if found.array is None:
        raise Unwritable("integer weights are computed at run time")
    return fully_connected(x, found, _bias(op, w), w, quant=op.grid, **fused(op.activation))


@TFLITE.rule(IntegerMatMul)
def matmul(op: IntegerMatMul, w: Writer) -> Tensor:
    a, b = w[op.a], w[op.b]
    dims = product_dims(a, b, transpose_a=op.transpose_a, transpose_b=op.transpose_b)
    return w.op("BATCH_MATMUL", a, b, dims=dims, quant=op.grid, adj_x=op.transpose_a,
                adj_y=op.transpose_b)  # fmt: skip
