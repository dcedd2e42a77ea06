"""The meaning of the layers that sum, select and interpolate (see ``readback_layers.py``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgec.ir import Array, Builder, Op, dtypes, ops
from edgec.kernels import run
from edgec.lowering.tensorrt.readback_layers import Layer, axes_in, computed, enum_name, layer
from edgec.lowering.tensorrt.runtime import tensorrt


def _weights(given: Any, like: Array) -> Array:
    """Weights inside a layer; of those that numpy lacks the writer kept the array."""
    assert isinstance(given, np.ndarray), "weights of this element type cannot be read back"
    return given.astype(like.dtype)


def _padding(own: Any) -> dict[str, Any]:
    mode = enum_name(own.padding_mode).lower()
    if mode.startswith("same"):
        return {"auto_pad": mode}
    return {"pads": (*own.pre_padding, *own.post_padding)}


@layer("CONVOLUTION")
def convolution(
    own: Layer, x: Array, kernel: Array | None = None, bias: Array | None = None
) -> Array:
    it = own.own
    if kernel is None:
        dims = (it.num_output_maps, x.shape[1] // it.num_groups, *it.kernel_size_nd)
        kernel = _weights(it.kernel, x).reshape(dims)
    if bias is None and np.size(it.bias):
        bias = _weights(it.bias, x)
    attributes = {"stride": tuple(it.stride_nd), "dilation": tuple(it.dilation_nd)}
    return computed(ops.Conv, x, kernel, bias, groups=it.num_groups, **attributes, **_padding(it))


@layer("DECONVOLUTION")
def deconvolution(
    own: Layer, x: Array, kernel: Array | None = None, bias: Array | None = None
) -> Array:
    it = own.own
    if kernel is None:
        dims = (x.shape[1], it.num_output_maps // it.num_groups, *it.kernel_size_nd)
        kernel = _weights(it.kernel, x).reshape(dims)
    if bias is None and np.size(it.bias):
        bias = _weights(it.bias, x)
    attributes = {"stride": tuple(it.stride_nd), "dilation": tuple(it.dilation_nd)}
    return computed(
        ops.ConvTranspose, x, kernel, bias, groups=it.num_groups, **attributes, **_padding(it)
    )


@layer("POOLING")
def pooling(own: Layer, x: Array) -> Array:

    it = own.own
    kind = enum_name(tensorrt().IPoolingLayer.type.__get__(it))
    window = {"kernel": tuple(it.window_size_nd), "stride": tuple(it.stride_nd), **_padding(it)}
    window["ceil"] = enum_name(it.padding_mode) == "EXPLICIT_ROUND_UP"
    if kind == "MAX":
        return computed(ops.MaxPool, x, **window)
    counted = not it.average_count_excludes_padding
    return computed(ops.AvgPool, x, count_include_pad=counted, **window)


@layer("MATRIX_MULTIPLY")
def matrix_multiply(own: Layer, a: Array, b: Array) -> Array:
    sides = [enum_name(own.own.op0), enum_name(own.own.op1)]
    batches = [x.ndim - (1 if side == "VECTOR" else 2) for x, side in zip((a, b), sides)]  # noqa: B905
    assert batches[0] == batches[1], "matrix products broadcast dims of 1, never ranks"
    if sides[0] == "VECTOR":
        a = a[..., None, :]
    if sides[1] == "VECTOR":
        b = b[..., :, None]
    y = computed(
        ops.MatMul, a, b, transpose_a=sides[0] == "TRANSPOSE", transpose_b=sides[1] == "TRANSPOSE"
    )
    y = y[..., 0] if sides[1] == "VECTOR" else y
    return (y[..., 0] if sides[1] == "VECTOR" else y[..., 0, :]) if sides[0] == "VECTOR" else y


@layer("EINSUM")
def einsum(own: Layer, *xs: Array) -> Array:
    b = Builder("readback")
    values = [b.input(f"x{i}", dtypes.dtype_of(x.dtype), x.shape) for i, x in enumerate(xs)]
    graph = b.output(y=b.add(ops.Einsum(tuple(values), equation=own.own.equation)).result)
    return run(graph, list(xs))["y"]


_REDUCE: Mapping[str, type[Op]] = {
    "SUM": ops.ReduceSum, "PROD": ops.ReduceProd, "MAX": ops.ReduceMax, "MIN": ops.ReduceMin,
    "AVG": ops.ReduceMean,
}  # fmt: skip


@layer("REDUCE")
def reduce(own: Layer, x: Array) -> Array:
    axes = axes_in(own.own.axes, x.ndim)
    return computed(_REDUCE[enum_name(own.own.op)], x, axes=axes, keepdims=own.own.keep_dims)


@layer("SOFTMAX")
def softmax(own: Layer, x: Array) -> Array:
    [axis] = axes_in(own.own.axes, x.ndim)
    return computed(ops.Softmax, x, axis=axis)


@layer("NORMALIZATION")
def normalization(own: Layer, x: Array, scale: Array, bias: Array) -> Array:
    """Of one group: the statistics in wider floats."""
    assert own.own.num_groups == 1
    axes = axes_in(own.own.axes, x.ndim)
    wide = x.astype(np.float64)
    mean = wide.mean(axis=axes, keepdims=True)
    var = ((wide - mean) ** 2).mean(axis=axes, keepdims=True)
    normal = (wide - mean) / np.sqrt(var + own.own.epsilon)
    scaled: Array = (normal * scale + bias).astype(x.dtype)
    return scaled


@layer("LRN")
def lrn(own: Layer, x: Array) -> Array:
    it = own.own
    return computed(ops.Lrn, x, size=it.window_size, alpha=it.alpha, beta=it.beta, bias=it.k)


@layer("CUMULATIVE")
def cumulative(own: Layer, x: Array, axis: Array) -> Array:
    flags = {"exclusive": own.own.exclusive, "reverse": own.own.reverse}
    return computed(ops.CumSum, x, axis=int(axis), **flags)


@layer("TOPK")
def topk(own: Layer, x: Array, k: Array | None = None) -> list[Array]:
    [axis] = axes_in(own.own.axes, x.ndim)
    assert x.ndim > 1, "the layer wants two axes"
    count = own.own.k if k is None else int(k)
    largest = enum_name(own.own.op) == "MAX"
    b = Builder("readback")
    value = b.input("x", dtypes.dtype_of(x.dtype), x.shape)
    op = b.add(ops.TopK(value, b.const([count], dtypes.i64), axis=axis, largest=largest))
    found = run(b.output(y=op.results[0], i=op.results[1]), [x])
    return [found["y"], found["i"].astype(own.dtype(1).numpy)]


@layer("QUANTIZE")
def quantize(own: Layer, x: Array, scale: Array) -> Array:
    axis = own.own.axis if scale.ndim else 1
    return computed(ops.Quantize, x, scale, to=own.dtype(), axis=axis)


@layer("DEQUANTIZE")
def dequantize(own: Layer, x: Array, scale: Array) -> Array:
    """Scales of the rank of x are one per block of some axis."""
    axis, block = (own.own.axis if scale.ndim == 1 else 0), 0
    if scale.ndim > 1:
        pairs = enumerate(zip(x.shape, scale.shape, strict=True))
        axis, block = next(((i, n // m) for i, (n, m) in pairs if n > m), (0, 1))
    return computed(ops.Dequantize, x, scale, to=own.dtype(), axis=axis, block=block)


@layer("RESIZE")
def resize(own: Layer, x: Array, sizes: Array | None = None) -> Array:
    it = own.own
    mode = enum_name(it.resize_mode).lower()
    kind = enum_name(it.coordinate_transformation).lower()
    upper = enum_name(it.selector_for_single_pixel) == "UPPER"
    rounding = {"HALF_DOWN": "round_prefer_floor", "HALF_UP": "round_prefer_ceil",
                "FLOOR": "floor", "CEIL": "ceil"}[enum_name(it.nearest_rounding)]  # fmt: skip
    b = Builder("readback")
    value = b.input("x", dtypes.dtype_of(x.dtype), x.shape)
    scales, dims = None, None
    if sizes is None and it.shape is None:
        scales = b.const(it.scales, dtypes.f32)
    else:
        dims = b.const(tuple(it.shape) if sizes is None else sizes, dtypes.i64)
    op = ops.Resize(
        value, scales, dims, mode=mode, nearest=rounding, cubic_a=it.cubic_coeff,
        coordinates="pytorch_half_pixel" if upper else kind,
        exclude_outside=bool(it.exclude_outside),
    )  # fmt: skip
    return run(b.output(y=b.add(op).result), [x])["y"]


@layer("GRID_SAMPLE")
def grid_sample(own: Layer, x: Array, grid: Array) -> Array:
    it = own.own
    padding = {"FILL": "zeros", "CLAMP": "border", "REFLECT": "reflection"}
    return computed(
        ops.GridSample, x, grid, mode=enum_name(it.interpolation_mode).lower(),
        padding=padding[enum_name(it.sample_mode)], align_corners=it.align_corners,
    )  # fmt: skip


@layer("NMS")
def nms(own: Layer, boxes: Array, scores: Array, most: Array, iou: Array, least: Array) -> Any:
    """One class: rows by batch entry, best score first."""
    assert scores.shape[2] == 1
    center = enum_name(own.own.bounding_box_format) == "CENTER_SIZES"
    found = computed(
        ops.Nms, boxes, np.swapaxes(scores, 1, 2), most.astype(np.int64), iou, least,
        center_point_box=center,
    )  # fmt: skip
    return [found.astype(own.dtype().numpy), np.asarray(len(found), np.int32)]
