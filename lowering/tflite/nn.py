"""Convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgec.ir import Dim, Ints
from edgec.ir.ops import Conv
from edgec.lowering.tflite.fused import activated
from edgec.lowering.tflite.layouts import (
    as_given,
    channels_last,
    lifted,
    lowered,
    pad_spatial,
    padding_of,
    two_axes,
)
from edgec.lowering.tflite.legalize import binary
from edgec.lowering.tflite.shapes import reshaped, transposed
from edgec.lowering.tflite.table import TFLITE, Unwritable, static_dim
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer


@TFLITE.rule(Conv)
def conv(op: Conv, w: Writer) -> Tensor:
    x = channels_last(w[op.x], op.layout, w)
    rank, spatial = x.rank, x.dims[1:-1]
    x = pad_spatial(x, padding_of(op.window, spatial), w)
    kind = padding_of(op.window, spatial).kind
    counts = (x.dims[0], *op.window.counts(spatial), op.w.type.dims[0])
    bias = bias_of(op, w)
    if rank == 5:
        y = _volume(op, x, bias, kind, counts, w)
    else:
        y = _image(op, lifted(x, w), bias, kind, w)
        y = lowered(y, rank, w)
    return as_given(activated(y, op.act, op.act_params, w), op.layout, w)


def bias_of(op: Any, w: Writer) -> Tensor:
    """The bias, zeros when there is none: a kernel without one is a later version."""
    if op.bias is not None:
        return w[op.bias]
    groups = 1 if isinstance(op, Conv) else op.groups
    filters = op.w.type.dims[0 if isinstance(op, Conv) else 1]
    channels = static_dim(filters, "number of filters") * groups
    return w.const(np.zeros(channels, np.float32))


def weights_2d(x: Tensor, w: Writer) -> Tensor:
    """[O, I, k] as [O, I, 1, k]."""
    return reshaped(x, (*x.dims[:2], 1, *x.dims[2:]), w) if x.rank == 3 else x


def _image(op: Conv, x: Tensor, bias: Tensor, kind: int, w: Writer) -> Tensor:
    weights = weights_2d(w[op.w], w)
    stride, dilation = two_axes(op.window.strides), two_axes(op.window.dilations)
    kernel = [size for size in weights.dims[2:] if isinstance(size, int)]
    options: dict[str, Any] = {
        "padding": kind,
        "stride_h": stride[0], "stride_w": stride[1],
        "dilation_h_factor": dilation[0], "dilation_w_factor": dilation[1],
    }  # fmt: skip
    sizes = counts(x.dims[1:3], kernel, stride, dilation, kind)
    dims = (x.dims[0], *sizes, weights.dims[0])
    channels = x.dims[3]
    if op.groups > 1 and op.groups == channels:
        weights = transposed(weights, (1, 2, 3, 0), w)
        multiplier = static_dim(weights.dims[3], "number of filters")
        return w.op("DEPTHWISE_CONV_2D", x, weights, bias, dims=dims,
                    depth_multiplier=multiplier // op.groups, **options)  # fmt: skip
    weights = transposed(weights, (0, 2, 3, 1), w)
    return w.op("CONV_2D", x, weights, bias, dims=dims, **options)


def counts(
    sizes: tuple[Dim, ...], kernel: Any, stride: Ints, dilation: Ints, kind: int
) -> list[Dim]:
    """Number of windows under SAME or VALID padding."""
    found: list[Dim] = []
    for size, taps, step, spread in zip(sizes, kernel, stride, dilation, strict=True):
        reach = size if kind == 0 else size - spread * (taps - 1)
        found.append(-(-reach // step))
    return found


def _volume(
    op: Conv, x: Tensor, bias: Tensor, kind: int, dims: tuple[Dim, ...], w: Writer
) -> Tensor:
    """Three spatial axes, weights [*kernel, I, O]; groups one after the other."""
    if op.groups > 1:
        raise Unwritable(f"CONV_3D has no groups, found {op.groups}", "groups=1")
    weights = transposed(w[op.w], (2, 3, 4, 1, 0), w)
    stride, dilation = op.window.strides, op.window.dilations
    y = w.op(
        "CONV_3D", x, weights, dims=dims, padding=kind,
        stride_d=stride[0], stride_h=stride[1], stride_w=stride[2],
        dilation_d_factor=dilation[0], dilation_h_factor=dilation[1],
        dilation_w_factor=dilation[2],
    )  # fmt: skip
    return y if op.bias is None else binary("ADD", y, bias, w)
