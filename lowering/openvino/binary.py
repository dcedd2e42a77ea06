"""Elementwise functions of two operands, and the choice between two."""

from __future__ import annotations

from collections.abc import Mapping

from edgec.ir.ops import (
    Add,
    And,
    Binary,
    BitAnd,
    BitOr,
    BitXor,
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
    Shift,
    Sub,
    Where,
    Xor,
)
from edgec.lowering.openvino.table import OPENVINO, Output, limit
from edgec.lowering.openvino.writer import Writer

NAMES: Mapping[type[Binary], str] = {
    Add: "add",
    And: "logical_and",
    BitAnd: "bitwise_and",
    BitOr: "bitwise_or",
    BitXor: "bitwise_xor",
    Div: "divide",
    Equal: "equal",
    Greater: "greater",
    GreaterEqual: "greater_equal",
    Less: "less",
    LessEqual: "less_equal",
    Maximum: "maximum",
    Minimum: "minimum",
    Mul: "multiply",
    Or: "logical_or",
    Sub: "subtract",
    Xor: "logical_xor",
}


@limit(Add, Sub, Mul)
def narrow_limit(op: Binary) -> str | None:
    dtype = op.x.type.dtype
    if dtype.is_integer and dtype.bits < 32:
        return f"the CPU plugin saturates {dtype.name} where it should wrap"
    return None


@OPENVINO.rule(*NAMES)
def binary(op: Binary, w: Writer) -> Output:
    return getattr(w.ops, NAMES[type(op)])(w[op.x], w[op.y])


@OPENVINO.rule(Pow)
def power(op: Pow, w: Writer) -> Output:
    dtype = op.x.type.dtype
    y = w[op.y] if op.y.type.dtype is dtype else w.convert(w[op.y], dtype)
    return w.ops.power(w[op.x], y)


@OPENVINO.rule(Mod)
def mod(op: Mod, w: Writer) -> Output:
    return (w.ops.mod if op.fmod else w.ops.floor_mod)(w[op.x], w[op.y])


@OPENVINO.rule(Shift)
def shift(op: Shift, w: Writer) -> Output:
    move = w.ops.bitwise_left_shift if op.left else w.ops.bitwise_right_shift
    return move(w[op.x], w[op.y])


@OPENVINO.rule(Where)
def where(op: Where, w: Writer) -> Output:
    return w.ops.select(w[op.cond], w[op.x], w[op.y])
