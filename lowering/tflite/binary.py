"""Elementwise functions of two operands, and the choice between two."""

from __future__ import annotations

from collections.abc import Mapping

from edgec.ir import dtypes, known_ints
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
from edgec.lowering.tflite.legalize import binary, compared, selected
from edgec.lowering.tflite.table import TFLITE, Unwritable
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer

NAMES: Mapping[type[Binary], str] = {
    Add: "ADD",
    And: "LOGICAL_AND",
    BitXor: "BITWISE_XOR",
    Maximum: "MAXIMUM",
    Minimum: "MINIMUM",
    Mul: "MUL",
    Or: "LOGICAL_OR",
    Sub: "SUB",
}
COMPARISONS: Mapping[type[Binary], str] = {
    Equal: "EQUAL",
    Greater: "GREATER",
    GreaterEqual: "GREATER_EQUAL",
    Less: "LESS",
    LessEqual: "LESS_EQUAL",
    Xor: "NOT_EQUAL",
}


@TFLITE.rule(*NAMES)
def binary_(op: Binary, w: Writer) -> Tensor:
    return binary(NAMES[type(op)], w[op.x], w[op.y], w)


@TFLITE.rule(*COMPARISONS)
def comparison(op: Binary, w: Writer) -> Tensor:
    return compared(COMPARISONS[type(op)], w[op.x], w[op.y], w)


@TFLITE.rule(Div)
def div(op: Div, w: Writer) -> Tensor:
    x, y = w[op.x], w[op.y]
    if x.dtype.is_integer and 0 in (known_ints(op.y) or (0,)):
        raise Unwritable("DIV stops at a divisor of 0, and this one is not known")
    return binary("DIV", x, y, w)


@TFLITE.rule(Pow)
def power(op: Pow, w: Writer) -> Tensor:
    x = w[op.x]
    return binary("POW", x, w.cast(w[op.y], x.dtype), w)


@TFLITE.rule(Mod)
def mod(op: Mod, w: Writer) -> Tensor:
    x, y = w[op.x], w[op.y]
    if x.dtype.is_integer and 0 in (known_ints(op.y) or (0,)):
        raise Unwritable("FLOOR_MOD stops at a divisor of 0, and this one is not known")
    if not op.fmod:
        return binary("FLOOR_MOD", x, y, w)
    # The remainder of the magnitudes, with the sign of x.
    if x.dtype is not dtypes.f32:
        raise Unwritable(f"a remainder with the sign of x wants f32, found {x.dtype.name}")
    rest = binary("FLOOR_MOD", w.op("ABS", x), w.op("ABS", y), w)
    return selected(compared("LESS", x, w.like(0, x), w), w.op("NEG", rest), rest, w)


@TFLITE.rule(Shift)
def shift(op: Shift, w: Writer) -> Tensor:
    if op.left:
        raise Unwritable("TensorFlow Lite shifts to the right only")
    most = max(known_ints(op.y) or (op.x.type.dtype.bits,), default=0)
    if most >= op.x.type.dtype.bits:
        raise Unwritable("RIGHT_SHIFT by the whole width or more is undefined")
    return binary("RIGHT_SHIFT", w[op.x], w[op.y], w)


@TFLITE.rule(Where)
def where(op: Where, w: Writer) -> Tensor:
    x, y = w[op.x], w[op.y]
    if x.dtype in (dtypes.u32, dtypes.u16, dtypes.u64):
        raise Unwritable(f"SELECT_V2 chooses among no {x.dtype.name}")
    return selected(w[op.cond], x, y, w)


@TFLITE.rule(BitAnd, BitOr)
def bitwise(op: BitAnd | BitOr, w: Writer) -> Tensor:
    raise Unwritable("TensorFlow Lite has exclusive or of bits only")
