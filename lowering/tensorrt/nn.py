"""Convolutions."""

from __future__ import annotations

from typing import Any

from edgec.ir import Constant, DType, Ints, Value, dtypes
from edgec.ir.ops import Conv, ConvTranspose
from edgec.ir.ops.common import per_axis, split_layout
from edgec.ir.ops.windows import Window
from edgec.lowering.tensorrt.fused import activated
from edgec.lowering.tensorrt.layers import out
from edgec.lowering.tensorrt.layouts import as_given, channels_first, per_channel
from edgec.lowering.tensorrt.table import TENSORRT, Tensor, limit
from edgec.lowering.tensorrt.writer import Writer

MODES = {"same_upper": "SAME_UPPER", "same_lower": "SAME_LOWER"}


@TENSORRT.rule(Conv)
def conv(op: Conv, w: Writer) -> Tensor:
    channels = op.w.type.dims[0]
    layer = _layer(op, w.net.add_convolution_nd, channels, op.x.type.dtype, w)
    set_padding(layer, op.window, spatial_of(op.x, op.layout), w)
    layer.num_groups = op.groups
    return _finished(op, out(layer), w)


@limit(ConvTranspose)
def conv_transpose_limit(op: ConvTranspose) -> str | None:
    """TensorRT crops both ends and adds nothing: output padding only takes back a crop."""
    if max(op.window.strides) > 1 and max(op.window.dilations) > 1:
        return "a deconvolution has strides or dilation, not both"
    count = op.window.axes
    pads = per_axis(op.pads, 2 * count, "pads", default=0)
    extra = per_axis(op.output_padding, count, "output_padding", default=0)
    if all(more <= end for more, end in zip(extra, pads[count:], strict=True)):
        return None
    return f"a deconvolution adds nothing to its ends (output_padding {[*extra]}, pads {[*pads]})"


@TENSORRT.rule(ConvTranspose)
def conv_transpose(op: ConvTranspose, w: Writer) -> Tensor:
    """There is none in bfloat16: float32 holds its numbers."""
    per_group = op.w.type.dims[1]
    assert isinstance(per_group, int), "weights of a convolution have known dims"
    own = op.x.type.dtype
    wide = dtypes.f32 if own is dtypes.bf16 else own
    layer = _layer(op, w.net.add_deconvolution_nd, per_group * op.groups, wide, w)
    count = op.window.axes
    pads = per_axis(op.pads, 2 * count, "pads", default=0)
    extra = per_axis(op.output_padding, count, "output_padding", default=0)
    ends = tuple(end - more for end, more in zip(pads[count:], extra, strict=True))
    layer.pre_padding, layer.post_padding = _two(pads[:count], 0), _two(ends, 0)
    layer.num_groups = op.groups
    return _finished(op, w.cast(out(layer), own), w)


def _layer(op: Conv | ConvTranspose, add: Any, channels: object, dtype: DType, w: Writer) -> Any:
    """With constant weights inside the layer, and computed ones (or dequantized) as its input."""
    x = w.cast(channels_first(op.x, op.layout, w), dtype)
    computed = None if isinstance(op.w, Constant) else w.cast(_kernel(op.w, w), dtype)
    kernel, bias = (_inside(value, dtype, w) for value in (op.w, op.bias))
    layer = add(x, channels, _two(op.kernel, 1), kernel, bias)
    if layer is not None:
        if computed is not None:
            layer.set_input(1, computed)
        layer.stride_nd = _two(op.window.strides, 1)
        layer.dilation_nd = _two(op.window.dilations, 1)
    return layer


def _inside(value: Value | None, dtype: DType, w: Writer) -> Any:
    """Constant weights; none when they are computed, or absent."""
    if not isinstance(value, Constant):
        return w.trt.Weights(w.dtype(dtype))
    return w.weights(value.array.astype(dtype.numpy))


def _kernel(weights: Value, w: Writer) -> Tensor:
    y = w[weights]
    dims = [*y.shape]
    return y if len(dims) > 3 else w.reshape(y, [*dims[:2], 1, *dims[2:]])


def _two(values: Ints, default: int) -> Ints:
    """One value per spatial axis, of two axes at least."""
    return values if len(values) > 1 else (default, *values)


def spatial_of(x: Value, layout: str) -> Ints | None:
    """The spatial dims where all are known."""
    _, _, spatial = split_layout(x.type.dims, layout)
    known = tuple(dim for dim in spatial if isinstance(dim, int))
    return known if len(known) == len(spatial) else None


def set_padding(layer: Any, window: Window, sizes: Ints | None, w: Writer) -> None:
    """Explicit padding; the automatic kinds by name where the dims are not known."""
    if window.auto_pad != "explicit" and sizes is None:
        layer.padding_mode = getattr(w.trt.PaddingMode, MODES[window.auto_pad])
        return
    begin, end = window.padding(sizes or ())
    layer.pre_padding, layer.post_padding = _two(begin, 0), _two(end, 0)


def _finished(op: Conv | ConvTranspose, y: Tensor, w: Writer) -> Tensor:
    """With the bias that is computed, activation and layout."""
    rank = op.x.type.rank
    if op.bias is not None and not isinstance(op.bias, Constant):
        y = w.binary("SUM", y, per_channel(op.bias, len(y.shape), w))
    y = activated(y, op.act, op.act_params, op.x.type.dtype, w)
    return as_given(y, rank, op.layout, w)
