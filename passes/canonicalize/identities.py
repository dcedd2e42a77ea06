"""Elementwise ops that give back an operand."""

from __future__ import annotations

from math import inf

from edgec.ir import Op, Rewriter, Value
from edgec.ir.ops import (
    Add,
    And,
    BitAnd,
    BitOr,
    BitXor,
    Div,
    Maximum,
    Minimum,
    Mul,
    Or,
    Pow,
    Shift,
    Sub,
    Where,
    Xor,
)
from edgec.passes.canonicalize.common import Drop, broadcasts_into, is_all
from edgec.passes.pattern import CARRY, ELSEWHERE, Match, Pattern, node, var

# What changes nothing as the right operand. BitAnd, Minimum and Maximum: see _neutral.
_NEUTRAL: dict[type[Op], float] = {
    Add: 0, Sub: 0, Mul: 1, Div: 1, Pow: 1,
    Or: False, And: True, Xor: False, BitOr: 0, BitXor: 0, Shift: 0,
}  # fmt: skip
_SELF: tuple[type[Op], ...] = (Minimum, Maximum, And, Or, BitAnd, BitOr)


def _neutral(op: Op) -> float:
    known = _NEUTRAL.get(type(op))
    if known is not None:
        return known
    dtype = op.result.type.dtype
    low, high = dtype.limits
    if isinstance(op, BitAnd):
        return -1 if dtype.is_signed else high
    if isinstance(op, Minimum):
        return inf if dtype.is_float else high
    return -inf if dtype.is_float else low


class DropNeutralOperand(Drop):
    """x + 0, x - 0, x * 1, x / 1, x ** 1, x or false, min(x, inf), … -> x"""

    match = node((*_NEUTRAL, BitAnd, Minimum, Maximum), var("x"), var("y"), attrs=CARRY) @ "op"

    def check(self, m: Match) -> str | None:
        if not is_all(m.y, _neutral(m.op)):
            return ELSEWHERE
        if not broadcasts_into(m.y, m.x):
            return "the neutral operand broadcasts the other one to more dims"
        return None


class DropSelfOperand(Drop):
    """min(x, x), max(x, x), x and x, x or x, x & x, x | x -> x"""

    match = node(_SELF, var("x"), var("y")) @ "op"

    def check(self, m: Match) -> str | None:
        return None if m.x is m.y else ELSEWHERE


class DropKnownWhere(Pattern):
    """where(true, x, y) -> x;  where(false, x, y) -> y;  where(c, x, x) -> x"""

    match = node(Where, var("cond"), var("x"), var("y")) @ "op"

    def check(self, m: Match) -> str | None:
        chosen = self._chosen(m)
        if chosen is None:
            return ELSEWHERE
        if chosen.type.dims != m.op.result.type.dims:
            return "the chosen operand is broadcast"
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        chosen = self._chosen(m)
        assert chosen is not None
        return chosen

    @staticmethod
    def _chosen(m: Match) -> Value | None:
        if m.x is m.y or is_all(m.cond, True):
            kept: Value = m.x
            return kept
        return m.y if is_all(m.cond, False) else None


RULES: tuple[type[Pattern], ...] = (DropNeutralOperand, DropSelfOperand, DropKnownWhere)
