"""Elementwise functions of two operands, and the choice between two."""

from __future__ import annotations

from collections.abc import Mapping

from edgec.ir import dtypes
from edgec.ir.ops import (
    Add,
    And,
    Binary,
    Div,
    Equal,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Maximum,
    Minimum,
    Mod,
    Mul,
    Or,
    Pow,
    Sub,
    Where,
    Xor,
)
from edgec.lowering.tensorrt.table import TENSORRT, Tensor, limit
from edgec.lowering.tensorrt.writer import Writer

NAMES: Mapping[type[Binary], str] = {
    Add: "SUM",
    And: "AND",
    Div: "DIV",
    Equal: "EQUAL",
    Greater: "GREATER",
    Less: "LESS",
    Maximum: "MAX",
    Minimum: "MIN",
    Mul: "PROD",
    Or: "OR",
    Sub: "SUB",
    Xor: "XOR",
}


@TENSORRT.rule(*NAMES)
def binary(op: Binary, w: Writer) -> Tensor:
    return w.binary(NAMES[type(op)], w[op.x], w[op.y])


@TENSORRT.rule(GreaterEqual, LessEqual)
def with_equality(op: GreaterEqual | LessEqual, w: Writer) -> Tensor:
    """Not as the negation of the other one, which is true of NaN."""
    x, y = w[op.x], w[op.y]
    strict = "GREATER" if isinstance(op, GreaterEqual) else "LESS"
    return w.binary("OR", w.binary(strict, x, y), w.binary("EQUAL", x, y))


@limit(Pow)
def power_limit(op: Pow) -> str | None:
    if op.x.type.dtype.is_float:
        return None
    return f"powers are of floats, not of {op.x.type.dtype.name}"


@TENSORRT.rule(Pow)
def power(op: Pow, w: Writer) -> Tensor:
    return w.binary("POW", w[op.x], w.cast(w[op.y], op.x.type.dtype))


@TENSORRT.rule(Mod)
def mod(op: Mod, w: Writer) -> Tensor:
    """x minus the floor, or the truncated value, of x / y times y."""
    x, y = w[op.x], w[op.y]
    if not op.fmod:
        quotient = w.binary("FLOOR_DIV", x, y)
    elif op.x.type.dtype.is_integer:
        quotient = w.binary("DIV", x, y)
    else:
        exact = w.binary("DIV", x, y)
        size = w.unary("FLOOR", w.unary("ABS", exact))
        quotient = w.binary("PROD", w.unary("SIGN", exact), size)
    return w.binary("SUB", x, w.binary("PROD", quotient, y))


@TENSORRT.rule(Where)
def where(op: Where, w: Writer) -> Tensor:
    if op.x.type.dtype is not dtypes.boolean:
        return w.select(w[op.cond], w[op.x], w[op.y])
    cond, x, y = w[op.cond], w[op.x], w[op.y]
    return w.binary("OR", w.binary("AND", cond, x), w.binary("AND", w.unary("NOT", cond), y))
