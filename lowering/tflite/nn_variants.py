"""Transposed and deformable convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgec.ir import Ints
from edgec.ir.ops import ConvTranspose, DeformConv
from edgec.ir.ops.common import per_axis
from edgec.lowering.tflite.dims import vector
from edgec.lowering.tflite.fused import activated
from edgec.lowering.tflite.layouts import (
    SAME,
    VALID,
    as_given,
    channels_last,
    crops_as_same,
    lifted,
    lowered,
    two_axes,
)
from edgec.lowering.tflite.legalize import binary
from edgec.lowering.tflite.shapes import cropped, is_constant, joined, padded, reshaped, transposed
from edgec.lowering.tflite.table import TFLITE, Unwritable, static_dim
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer


@TFLITE.rule(ConvTranspose)
def conv_transpose(op: ConvTranspose, w: Writer) -> Tensor:
    weights = w[op.w]
    if not is_constant(weights):
        raise Unwritable("the weights of a transposed convolution are computed at run time")
    x = channels_last(w[op.x], op.layout, w)
    rank = x.rank
    weights = _spread(op, weights, w)
    if rank == 3:
        weights = reshaped(weights, (*weights.dims[:2], 1, weights.dims[2]), w)
    parts = _by_group(op, lifted(x, w), weights, w)
    y = lowered(joined(parts, parts[0].rank - 1, w), rank, w)
    if op.bias is not None:
        y = binary("ADD", y, w[op.bias], w)
    return as_given(activated(y, op.act, op.act_params, w), op.layout, w)


def _spread(op: ConvTranspose, weights: Tensor, w: Writer) -> Tensor:
    """Weights with zeros between their taps for the dilation."""
    window = op.window
    if all(step == 1 for step in window.dilations):
        return weights
    if weights.array is None:
        raise Unwritable("weights stored as integers are not spread for a dilation", "fp32 or fp16")
    wide = np.zeros((*weights.array.shape[:2], *window.extents), np.float32)
    taps = tuple(slice(None, None, step) for step in window.dilations)
    wide[(slice(None), slice(None), *taps)] = weights.array
    return w.const(wide)


def _by_group(op: ConvTranspose, x: Tensor, weights: Tensor, w: Writer) -> list[Tensor]:
    size = static_dim(x.dims[-1], "number of channels") // op.groups
    if op.groups == 1:
        return [_one(op, x, weights, w)]
    found = []
    for group in range(op.groups):
        begin = (*[0] * (x.rank - 1), group * size)
        part = cropped(x, begin, (*x.dims[:-1], size), w)
        begin = (group * size, *[0] * (weights.rank - 1))
        own = cropped(weights, begin, (size, *weights.dims[1:]), w)
        found.append(_one(op, part, own, w))
    return found


def _one(op: ConvTranspose, x: Tensor, weights: Tensor, w: Writer) -> Tensor:
    """One group: SAME where the cropping is what SAME crops, else everything, then cropped."""
    stride = two_axes(op.window.strides)
    count = op.window.axes
    pads = per_axis(op.pads, 2 * count, "pads", default=0)
    extra = per_axis(op.output_padding, count, "output_padding", default=0)
    begins, ends = two_axes(pads[:count], 0), two_axes(pads[count:], 0)
    extras = two_axes(extra, 0)
    kernel: Sequence[Any] = weights.dims[2:]
    full, sizes = [], []
    for i, size in enumerate(x.dims[1:-1]):
        full.append(stride[i] * (size - 1) + kernel[i])
        sizes.append(full[i] - begins[i] - ends[i] + extras[i])
    columns = weights.dims[1]
    if len(stride) == 2 and crops_as_same(x.dims[1:-1], stride, kernel, begins, sizes):
        return _transposed(x, weights, stride, (x.dims[0], *sizes, columns), SAME, w)
    y = _transposed(x, weights, stride, (x.dims[0], *full, columns), VALID, w)
    added = [max(sizes[i] - (full[i] - begins[i]), 0) if isinstance(full[i], int)
             else max(extras[i] - ends[i], 0) for i in range(len(full))]  # fmt: skip
    y = padded(y, [0] * y.rank, (0, *added, 0), w)
    return cropped(y, (0, *begins, 0), (x.dims[0], *sizes, columns), w)


def _transposed(
    x: Tensor, weights: Tensor, stride: Ints, dims: tuple[Any, ...], kind: int, w: Writer
) -> Tensor:
    shape = vector(dims, [x], w)
    if len(stride) == 3:
        ordered = transposed(weights, (2, 3, 4, 1, 0), w)
        return w.op(
            "CONV_3D_TRANSPOSE", shape, ordered, x, dims=dims, dtype=x.dtype, padding=kind,
            stride_d=stride[0], stride_h=stride[1], stride_w=stride[2],
        )  # fmt: skip
    ordered = transposed(weights, (1, 2, 3, 0), w)
    return w.op("TRANSPOSE_CONV", shape, ordered, x, dims=dims, dtype=x.dtype, padding=kind,
                stride_h=stride[0], stride_w=stride[1])  # fmt: skip


TFLITE.refuse(
    DeformConv,
    why="no builtin reads at computed offsets with interpolation",
    instead="a plain convolution",
)
