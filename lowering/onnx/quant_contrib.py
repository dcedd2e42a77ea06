"""ONNX Runtime's own integer operators (domain com.microsoft), in which its quantizer writes models
in QOperator form: each is arithmetic between dequantize and quantize."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from edgec.ir import Op, Value
from edgec.ir.ops import (
    Add,
    AvgPool,
    Concat,
    Dequantize,
    LeakyRelu,
    MatMul,
    Mul,
    Quantize,
    ReduceMean,
    Sigmoid,
    Softmax,
    Where,
)
from edgec.ir.ops.common import normalized_axis
from edgec.ir.ops.quant import is_per_tensor
from edgec.lowering.onnx.node import READERS, Node, Unsupported
from edgec.lowering.onnx.quant_integer import real, scale_product, stored
from edgec.lowering.onnx.windows import read_padding

_PREFIX = "com.microsoft."
_Unary: TypeAlias = Callable[[Node, Value], Op]
_BINARY: Mapping[str, type[Add | Mul]] = {
    f"{_PREFIX}QLinearAdd": Add,
    f"{_PREFIX}QLinearMul": Mul,
}


@READERS.rule(*_BINARY)
def read_qlinear_binary(node: Node) -> Value:
    left = real(node, node.input(0), node.input(1), node.optional(2))
    right = real(node, node.input(3), node.input(4), node.optional(5))
    made = node.add(_BINARY[node.op_type](left, right)).result
    return _stored_like(node, made, node.input(0), 6)


def _leaky_relu(node: Node, x: Value) -> Op:
    return LeakyRelu(x, alpha=node.float("alpha", 0.01))


def _softmax(node: Node, x: Value) -> Op:
    """One axis in opset 13; before it, the axes from ``axis`` on together."""
    axis = normalized_axis(node.int("axis", -1), x.type.rank)
    later = x.type.dims[axis + 1 :]
    if node.int("opset", 13) < 13 and any(dim != 1 for dim in later):
        raise Unsupported("QLinearSoftmax is over several axes", "quantize with opset 13 or later")
    return Softmax(x, axis=axis)


def _mean(node: Node, x: Value) -> Op:
    axes = tuple(normalized_axis(axis, x.type.rank) for axis in node.ints("axes", ()))
    return ReduceMean(
        x, axes=axes or tuple(range(x.type.rank)), keepdims=bool(node.int("keepdims", 1))
    )


def _global_pool(node: Node, x: Value) -> Op:
    last = bool(node.int("channels_last", 0))
    rank = x.type.rank
    return ReduceMean(x, axes=tuple(range(1, rank - 1) if last else range(2, rank)))


def _pool(node: Node, x: Value) -> Op:
    shared: dict[str, Any] = read_padding(node)
    return AvgPool(
        x,
        kernel=node.ints("kernel_shape"),
        stride=node.ints("strides", ()),
        ceil=bool(node.int("ceil_mode", 0)),
        count_include_pad=bool(node.int("count_include_pad", 0)),
        layout="nhwc" if node.int("channels_last", 0) else "nchw",
        **shared,
    )


_UNARY: Mapping[str, _Unary] = {
    f"{_PREFIX}QLinearSigmoid": lambda node, x: Sigmoid(x),
    f"{_PREFIX}QLinearLeakyRelu": _leaky_relu,
    f"{_PREFIX}QLinearSoftmax": _softmax,
    f"{_PREFIX}QLinearReduceMean": _mean,
    f"{_PREFIX}QLinearGlobalAveragePool": _global_pool,
    f"{_PREFIX}QLinearAveragePool": _pool,
}


@READERS.rule(*_UNARY)
def read_qlinear_unary(node: Node) -> Value:
    x = real(node, node.input(0), node.input(1), node.optional(2))
    return _stored_like(node, node.add(_UNARY[node.op_type](node, x)).result, node.input(0), 3)


@READERS.rule(f"{_PREFIX}QLinearConcat")
def read_qlinear_concat(node: Node) -> Value:
    parts = tuple(
        real(node, node.input(at), node.input(at + 1), node.optional(at + 2))
        for at in range(2, len(node.inputs), 3)
    )
    axis = normalized_axis(node.int("axis"), parts[0].type.rank)
    return _stored_like(node, node.add(Concat(parts, axis=axis)).result, node.input(2), 0)


@READERS.rule(f"{_PREFIX}QLinearWhere")
def read_qlinear_where(node: Node) -> Value:
    x = real(node, node.input(1), node.input(2), node.optional(3))
    y = real(node, node.input(4), node.input(5), node.optional(6))
    return _stored_like(node, node.add(Where(node.input(0), x, y)).result, node.input(1), 7)


@READERS.rule(f"{_PREFIX}QGemm")
def read_qgemm(node: Node) -> Value:
    """The i32 bias has the scale of both operands together; floats where no scale is given."""
    a_scale, b_scale = node.input(1), node.input(4)
    transposed = bool(node.int("transB", 0))
    a = real(node, node.input(0), a_scale, node.optional(2))
    b = real(node, node.input(3), b_scale, node.optional(5), axis=0 if transposed else 1)
    bias = node.optional(6)
    if bias is not None:
        scale = scale_product(node, a_scale, b_scale)
        axis = 1 if is_per_tensor(scale) else bias.type.rank - 1
        bias = node.add(Dequantize(bias, scale, axis=axis)).result
    made = MatMul(
        a, b, bias,
        transpose_a=bool(node.int("transA", 0)),
        transpose_b=transposed,
        alpha=node.float("alpha", 1.0),
    )  # fmt: skip
    y = node.add(made).result
    return y if node.optional(7) is None else _stored_like(node, y, node.input(0), 7)


def _stored_like(node: Node, y: Value, like: Value, at: int) -> Value:
    """The result on the scale and zero point that are inputs ``at`` and ``at + 1``."""
    zero_point = node.optional(at + 1)
    if zero_point is not None:
        return stored(node, y, node.input(at), zero_point)
    return node.add(Quantize(y, node.input(at), to=like.type.dtype)).result
