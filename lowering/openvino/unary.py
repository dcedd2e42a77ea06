"""Elementwise functions of one operand."""

from __future__ import annotations

from collections.abc import Mapping

from edgec.ir import dtypes
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
from edgec.lowering.openvino.fused import clipped
from edgec.lowering.openvino.table import OPENVINO, Output
from edgec.lowering.openvino.writer import Writer

NAMES: Mapping[type[Unary], str] = {
    Abs: "abs",
    Acos: "acos",
    Acosh: "acosh",
    Asin: "asin",
    Asinh: "asinh",
    Atan: "atan",
    Atanh: "atanh",
    BitNot: "bitwise_not",
    Ceil: "ceiling",
    Cos: "cos",
    Cosh: "cosh",
    Erf: "erf",
    Exp: "exp",
    Floor: "floor",
    IsNan: "is_nan",
    Log: "log",
    Neg: "negative",
    Not: "logical_not",
    Round: "round",
    Sign: "sign",
    Sin: "sin",
    Sinh: "sinh",
    Sqrt: "sqrt",
    Tan: "tan",
}


@OPENVINO.rule(*NAMES)
def unary(op: Unary, w: Writer) -> Output:
    return getattr(w.ops, NAMES[type(op)])(w[op.x])


@OPENVINO.rule(Reciprocal)
def reciprocal(op: Reciprocal, w: Writer) -> Output:
    return w.ops.divide(w.like(1, op.x), w[op.x])


@OPENVINO.rule(IsInf)
def is_inf(op: IsInf, w: Writer) -> Output:
    signs = {"detect_negative": op.negative, "detect_positive": op.positive}
    return w.ops.is_inf(w[op.x], signs)


@OPENVINO.rule(Clip)
def clip(op: Clip, w: Writer) -> Output:
    return clipped(w[op.x], op.low, op.high, dtype=op.x.type.dtype, w=w)


@OPENVINO.rule(Cast)
def cast(op: Cast, w: Writer) -> Output:
    if op.to is dtypes.boolean:
        return w.ops.not_equal(w[op.x], w.like(0, op.x))
    return w.convert(w[op.x], op.to)


OPENVINO.refuse(
    Bitcast,
    why="OpenVINO converts numbers between element types, never bits",
    instead="do this step before the model is called",
)
