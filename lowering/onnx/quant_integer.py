"""ONNX ops on quantized integers: arithmetic between dequantize and quantize, or exact."""

from __future__ import annotations

from edgec.ir import Constant, DType, Value, dtypes
from edgec.ir.ops import Cast, Conv, Dequantize, MatMul, Mul, Quantize, Reshape, Sub
from edgec.ir.ops.common import product
from edgec.ir.ops.quant import is_per_tensor
from edgec.lowering.onnx.node import READERS, Node
from edgec.lowering.onnx.windows import read_padding


@READERS.rule("QLinearConv")
def read_qlinear_conv(node: Node) -> Value:
    """Within one step of ONNX's result, whose accumulator is rounded once instead of here."""
    x_scale, w_scale = node.input(1), node.input(4)
    x = real(node, node.input(0), x_scale, node.optional(2), 1)
    w = real(node, node.input(3), w_scale, node.optional(5), 0)
    bias = node.optional(8)
    if bias is not None:
        bias = node.add(Dequantize(bias, scale_product(node, x_scale, w_scale), axis=0)).result
    y = node.add(
        Conv(
            x, w, bias,
            stride=node.ints("strides", ()),
            dilation=node.ints("dilations", ()),
            groups=node.int("group", 1),
            **read_padding(node),
        )
    ).result  # fmt: skip
    return stored(node, y, node.input(6), node.input(7))


@READERS.rule("QLinearMatMul")
def read_qlinear_matmul(node: Node) -> Value:
    """Within one step of ONNX's result."""
    a, b = node.input(0), node.input(3)
    left = real(node, a, node.input(1), node.optional(2), max(a.type.rank - 2, 0))
    right = real(node, b, node.input(4), node.optional(5), b.type.rank - 1)
    y = node.add(MatMul(left, right)).result
    return stored(node, y, node.input(6), node.input(7))


@READERS.rule("ConvInteger")
def read_conv_integer(node: Node) -> Value:
    """In float32 where that holds every sum of products of bytes exactly, else in float64."""
    terms = product(node.input(1).type.dims[1:])
    few = isinstance(terms, int) and terms * 255 * 255 <= 1 << 24
    real = dtypes.f32 if few else dtypes.f64
    op = Conv(
        _shifted(node, node.input(0), node.optional(2), 1, real),
        _shifted(node, node.input(1), node.optional(3), 0, real),
        stride=node.ints("strides", ()),
        dilation=node.ints("dilations", ()),
        groups=node.int("group", 1),
        **read_padding(node),
    )
    return node.add(Cast(node.add(op).result, to=dtypes.i32)).result


@READERS.rule("MatMulInteger")
def read_matmul_integer(node: Node) -> Value:
    """In float64, which holds every sum of products of bytes exactly."""
    a, b = node.input(0), node.input(1)
    left = _shifted(node, a, node.optional(2), max(a.type.rank - 2, 0))
    right = _shifted(node, b, node.optional(3), b.type.rank - 1)
    y = node.add(MatMul(left, right)).result
    return node.add(Cast(y, to=dtypes.i32)).result


def real(node: Node, x: Value, scale: Value, zero_point: Value | None, axis: int = 1) -> Value:
    """The real numbers that stored integers stand for."""
    op = Dequantize(
        x, scale, zero_point, axis=1 if is_per_tensor(scale) else axis, to=scale.type.dtype
    )
    return node.add(op).result


def stored(node: Node, y: Value, scale: Value, zero_point: Value) -> Value:
    """The integers that stand for real numbers."""
    return node.add(Quantize(y, scale, zero_point, to=zero_point.type.dtype)).result


def scale_product(node: Node, x_scale: Value, w_scale: Value) -> Value:
    """The scale of sums of products."""
    if isinstance(x_scale, Constant) and isinstance(w_scale, Constant):
        return node.const(x_scale.array.reshape(()) * w_scale.array)
    return node.add(Mul(node.add(Reshape(x_scale, to=())).result, w_scale)).result


def _shifted(
    node: Node, x: Value, zero_point: Value | None, axis: int, dtype: DType = dtypes.f64
) -> Value:
    """x - zero_point in that type; a 1-D zero point runs along ``axis``."""
    real = node.add(Cast(x, to=dtype)).result
    if zero_point is None:
        return real
    point = node.add(Cast(zero_point, to=dtype)).result
    if not is_per_tensor(zero_point):
        after = x.type.rank - axis - 1
        point = node.add(Reshape(point, to=(*zero_point.type.dims, *(1,) * after))).result
    return node.add(Sub(real, point)).result
