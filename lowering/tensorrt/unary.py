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
from edgec.lowering.tensorrt.fused import clipped
from edgec.lowering.tensorrt.table import TENSORRT, Tensor
from edgec.lowering.tensorrt.writer import Writer

NAMES: Mapping[type[Unary], str] = {
    Abs: "ABS",
    Acos: "ACOS",
    Acosh: "ACOSH",
    Asin: "ASIN",
    Asinh: "ASINH",
    Atan: "ATAN",
    Atanh: "ATANH",
    Ceil: "CEIL",
    Cos: "COS",
    Cosh: "COSH",
    Erf: "ERF",
    Exp: "EXP",
    Floor: "FLOOR",
    Log: "LOG",
    Neg: "NEG",
    Not: "NOT",
    Reciprocal: "RECIP",
    Round: "ROUND",
    Sign: "SIGN",
    Sin: "SIN",
    Sinh: "SINH",
    Sqrt: "SQRT",
    Tan: "TAN",
}


@TENSORRT.rule(*NAMES)
def unary(op: Unary, w: Writer) -> Tensor:
    return w.unary(NAMES[type(op)], w[op.x])


@TENSORRT.rule(BitNot)
def bit_not(op: BitNot, w: Writer) -> Tensor:
    """-1 - x, in two's complement."""
    x = w[op.x]
    return w.binary("SUB", w.like(-1, x), x)


@TENSORRT.rule(IsNan)
def is_nan(op: IsNan, w: Writer) -> Tensor:
    return w.unary("ISNAN", w[op.x])


@TENSORRT.rule(IsInf)
def is_inf(op: IsInf, w: Writer) -> Tensor:
    x = w[op.x]
    found = w.unary("ISINF", x)
    if op.negative and op.positive:
        return found
    side = "LESS" if op.negative else "GREATER"
    wanted = w.binary(side, x, w.like(0, x))
    if not op.negative and not op.positive:
        wanted = w.binary("XOR", found, found)
    return w.binary("AND", found, wanted)


@TENSORRT.rule(Clip)
def clip(op: Clip, w: Writer) -> Tensor:
    return clipped(w[op.x], op.low, op.high, dtype=op.x.type.dtype, w=w)


@TENSORRT.rule(Cast)
def cast(op: Cast, w: Writer) -> Tensor:
    """To bool by comparing; through int32 from and to what the comparison does not know."""
    x = w[op.x]
    if op.to is not dtypes.boolean or op.x.type.dtype is dtypes.boolean:
        return w.cast(x, op.to)
    if op.x.type.dtype.bits < 16:
        x = w.cast(x, dtypes.i32)
    return w.unary("NOT", w.binary("EQUAL", x, w.like(0, x)))
