"""Convolutions."""

from __future__ import annotations

from typing import Any

from edgec.ir import Value
from edgec.ir.ops import Conv, ConvTranspose, DeformConv
from edgec.ir.ops.common import per_axis
from edgec.ir.ops.windows import Window
from edgec.lowering.openvino.fused import activated
from edgec.lowering.openvino.layouts import as_given, channels_first, per_channel
from edgec.lowering.openvino.table import OPENVINO, Output, limit
from edgec.lowering.openvino.writer import Writer


@OPENVINO.rule(Conv)
def conv(op: Conv, w: Writer) -> Output:
    x = channels_first(op.x, op.layout, w)
    window = padded_window(op.window)
    if op.groups == 1:
        y = w.ops.convolution(x, w[op.w], **window)
    else:
        y = w.ops.group_convolution(x, _by_group(op.w, op.groups, w), **window)
    return _finished(op, y, w)


def padded_window(window: Window) -> dict[str, Any]:
    """The attributes of a window, but for its size."""
    pads = per_axis(window.pads, 2 * window.axes, "pads", default=0)
    return {
        "strides": [*window.strides],
        "pads_begin": [*pads[: window.axes]],
        "pads_end": [*pads[window.axes :]],
        "dilations": [*window.dilations],
        "auto_pad": window.auto_pad,
    }


def _by_group(weights: Value, groups: int, w: Writer) -> Output:
    """Weights [O, …] as [groups, O / groups, …]."""
    rows, *others = (dim if isinstance(dim, int) else -1 for dim in weights.type.dims)
    return w.reshaped(weights, (groups, rows // groups, *others))


def _finished(op: Conv | ConvTranspose, y: Output, w: Writer) -> Output:
    """With bias, activation and layout."""
    rank = op.x.type.rank
    if op.bias is not None:
        y = w.ops.add(y, per_channel(op.bias, rank, w))
    y = activated(y, op.act, op.act_params, op.x.type.dtype, w)
    return as_given(y, rank, op.layout, w)


@OPENVINO.rule(ConvTranspose)
def conv_transpose(op: ConvTranspose, w: Writer) -> Output:
    x = channels_first(op.x, op.layout, w)
    window = padded_window(op.window)
    extra = per_axis(op.output_padding, op.window.axes, "output_padding", default=0)
    if op.groups == 1:
        make, weights = w.ops.convolution_backprop_data, w[op.w]
    else:
        make, weights = w.ops.group_convolution_backprop_data, _by_group(op.w, op.groups, w)
    return _finished(op, make(x, weights, output_padding=[*extra], **window), w)


@limit(DeformConv)
def deform_conv_limit(op: DeformConv) -> str | None:
    rank = op.x.type.rank
    return None if rank == 4 else f"DeformableConvolution takes images, found {rank - 2} axes"


@OPENVINO.rule(DeformConv)
def deform_conv(op: DeformConv, w: Writer) -> Output:
    y = w.ops.deformable_convolution(
        w[op.x], w[op.offset], w[op.w],
        mask=None if op.mask is None else w[op.mask],
        group=op.groups,
        deformable_group=op.offset_groups,
        bilinear_interpolation_pad=True,
        **padded_window(op.window),
    )  # fmt: skip
    return y if op.bias is None else w.ops.add(y, per_channel(op.bias, op.x.type.rank, w))
