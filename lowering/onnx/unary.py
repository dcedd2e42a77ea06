"""ONNX's elementwise functions of one operand."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isnan

import numpy as np

from edgec.ir import DType, Value, dtypes
from edgec.ir.ops import (
    Abs,
    Acos,
    Acosh,
    Asin,
    Asinh,
    Atan,
    Atanh,
    Bitcast,
    BitNot,
    Cast,
    Ceil,
    Clip,
    Cos,
    Cosh,
    Erf,
    Exp,
    Floor,
    IsInf,
    IsNan,
    Log,
    Maximum,
    Minimum,
    Neg,
    Not,
    Reciprocal,
    Round,
    Sign,
    Sin,
    Sinh,
    Sqrt,
    Tan,
    Unary,
)
from edgec.kernels.convert import FLOAT8
from edgec.kernels.precision import rounded
from edgec.kernels.unary import bounds
from edgec.lowering.onnx.node import READERS, Node, ReadRule
from edgec.lowering.onnx.tensors import dtype_from_onnx, dtype_to_onnx
from edgec.lowering.onnx.typed import typed_node
from edgec.lowering.onnx.writer import FIRST_OPSETS, WRITERS, Operand, Writer

NAMES: Mapping[type[Unary], str] = {
    Abs: "Abs",
    Acos: "Acos",
    Acosh: "Acosh",
    Asin: "Asin",
    Asinh: "Asinh",
    Atan: "Atan",
    Atanh: "Atanh",
    BitNot: "BitwiseNot",
    Ceil: "Ceil",
    Cos: "Cos",
    Cosh: "Cosh",
    Erf: "Erf",
    Exp: "Exp",
    Floor: "Floor",
    IsNan: "IsNaN",
    Log: "Log",
    Neg: "Neg",
    Not: "Not",
    Reciprocal: "Reciprocal",
    Round: "Round",
    Sign: "Sign",
    Sin: "Sin",
    Sinh: "Sinh",
    Sqrt: "Sqrt",
    Tan: "Tan",
}
FIRST_OPSETS[BitNot] = lambda op: 18
FIRST_OPSETS[Bitcast] = lambda op: 26


def _reader(cls: type[Unary]) -> ReadRule:
    return lambda node: node.add(cls(node.input(0))).result


for _cls, _op_type in NAMES.items():
    READERS.rule(_op_type)(_reader(_cls))


@WRITERS.rule(*NAMES)
def write_unary(op: Unary, w: Writer) -> None:
    typed_node(w, NAMES[type(op)], [op.x], op.result)


@READERS.rule("IsInf")
def read_is_inf(node: Node) -> Value:
    negative, positive = (bool(node.int(f"detect_{sign}", 1)) for sign in ("negative", "positive"))
    return node.add(IsInf(node.input(0), negative=negative, positive=positive)).result


@WRITERS.rule(IsInf)
def write_is_inf(op: IsInf, w: Writer) -> None:
    typed_node(
        w, "IsInf", [op.x], op.result,
        detect_negative=None if op.negative else 0, detect_positive=None if op.positive else 0,
    )  # fmt: skip


@READERS.rule("Clip")
def read_clip(node: Node) -> Value:
    """Bounds are attributes before opset 11, scalar inputs since then."""
    x = node.input(0)
    if node.opset < 11:
        return node.add(Clip(x, low=node.float("min", -inf), high=node.float("max", inf))).result
    low, high = _bound(node, 1, -inf), _bound(node, 2, inf)
    if low is not None and high is not None:
        return node.add(Clip(x, low=low, high=high)).result
    if node.optional(1) is not None:
        x = node.add(Maximum(x, node.input(1))).result
    if node.optional(2) is not None:
        x = node.add(Minimum(x, node.input(2))).result
    return x


def _bound(node: Node, index: int, default: float) -> float | None:
    """A bound that is known and that a float holds exactly; None for another one."""
    if node.optional(index) is None:
        return default
    array = node.array(index)
    if array is None or array.size != 1:
        return None
    element = array.reshape(-1)[0]
    dtype = node.input(index).type.dtype
    if not dtype.is_float and element == dtype.limits[default > 0]:
        return default
    exact = not isnan(float(element)) and (dtype.is_float or int(float(element)) == int(element))
    return float(element) if exact else None


@WRITERS.rule(Clip)
def write_clip(op: Clip, w: Writer) -> None:
    """A bound that binds nothing is left out. Clip takes no floats of 8 bits: see typed_node."""
    dtype = op.x.type.dtype
    lowest, highest = (-inf, inf) if dtype.is_float else dtype.limits
    low, high = bounds(op)
    inputs: list[Operand] = [
        op.x,
        None if low == lowest else _scalar(w, low, dtype),
        None if high == highest else _scalar(w, high, dtype),
    ]
    typed_node(w, "Clip", inputs, op.result)


def _scalar(w: Writer, value: float, dtype: DType) -> str:
    bound = rounded(np.asarray(value), dtype.numpy)
    narrow = dtype.is_float and dtype.bits <= 8
    return w.const(bound.astype(np.float32) if narrow else bound, hint="bound")


@READERS.rule("Cast")
def read_cast(node: Node) -> Value:
    op = Cast(
        node.input(0),
        to=dtype_from_onnx(node.int("to")),
        saturate=bool(node.int("saturate", 1)),
        round_mode=node.string("round_mode", "up"),
    )
    return node.add(op).result


@READERS.rule("CastLike")
def read_cast_like(node: Node) -> Value:
    op = Cast(
        node.input(0),
        to=node.input(1).type.dtype,
        saturate=bool(node.int("saturate", 1)),
        round_mode=node.string("round_mode", "up"),
    )
    return node.add(op).result


@WRITERS.rule(Cast)
def write_cast(op: Cast, w: Writer) -> None:
    """``saturate`` and ``round_mode`` only where they say something: runtimes refuse them else."""
    saturates = op.to in FLOAT8 or op.to is dtypes.f8e8m0
    rounds = op.to is dtypes.f8e8m0 and op.round_mode != "up"
    w.node(
        "Cast", [op.x], op.results,
        to=dtype_to_onnx(op.to),
        saturate=0 if saturates and not op.saturate else None,
        round_mode=op.round_mode if rounds else None,
    )  # fmt: skip


@READERS.rule("BitCast")
def read_bitcast(node: Node) -> Value:
    return node.add(Bitcast(node.input(0), to=dtype_from_onnx(node.int("to")))).result


@WRITERS.rule(Bitcast)
def write_bitcast(op: Bitcast, w: Writer) -> None:
    w.node("BitCast", [op.x], op.results, to=dtype_to_onnx(op.to))
