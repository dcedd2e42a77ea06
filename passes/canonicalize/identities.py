"""Elementwise ops that give back an operand."""

from __future__ import annotations

from math import inf

import numpy as np

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
from edgec.passes.pattern import CARRY, ELSEWHERE, Match, Pattern, const, node, var

# What changes nothing as the right operand. BitAnd, Minimum and Maximum: see _neutral.
_NEUTRAL: dict[type[Op], float] = {
    Add: 0, Sub: 0, Mul: 1, Div: 1, Pow: 1,
    Or: False, And: True, Xor: False, BitOr: 0, BitXor: 0, Shift: 0,
}  # fmt: skip
_LARGEST_CONSTANT = 1 << 10  # elements; a larger one would weigh more than the op
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

    match = (
        node((*_NEUTRAL, BitAnd, Minimum, Maximum), var("x"), const("y", near=False), attrs=CARRY)
        @ "op"
    )

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


class WhereOfWhere(Pattern):
    """where(c, where(c, x, z), y), where(c, x, where(c, z, y)) -> where(c, x, y)"""

    match = node(Where, var("cond"), var("x"), var("y")) @ "op"

    def check(self, m: Match) -> str | None:
        if not (self._same(m.x, m) or self._same(m.y, m)):
            return ELSEWHERE
        same = self._made(m).result.type == m.op.result.type
        return None if same else "the operand that is left out gives the result its dims"

    def build(self, m: Match, rw: Rewriter) -> Value:
        return rw.add(self._made(m)).result

    @staticmethod
    def _same(value: Value, m: Match) -> bool:
        return isinstance(value.producer, Where) and value.producer.cond is m.cond

    def _made(self, m: Match) -> Op:
        x = m.x.producer.x if self._same(m.x, m) else m.x
        y = m.y.producer.y if self._same(m.y, m) else m.y
        return Where(m.cond, x, y)


class KnownProduct(Pattern):
    """x * 0, x & 0 -> 0;  x and false -> false;  x or true -> true;  floats stay, as of 0 * inf"""

    match = node((Mul, BitAnd, And, Or), var("x"), const("y", near=False)) @ "op"

    def check(self, m: Match) -> str | None:
        if not is_all(m.y, isinstance(m.op, Or)):
            return ELSEWHERE
        type = m.op.result.type
        if type.dtype.is_float or type.quant is not None:
            return "0 times infinity is not 0"
        if not type.is_static or type.elements() > _LARGEST_CONSTANT:
            return "the constant would be large, or its dims are not known"
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        type = m.op.result.type
        number = 1 if isinstance(m.op, Or) else 0
        return rw.constant(np.full(type.static_dims or (), number, type.dtype.numpy))


RULES: tuple[type[Pattern], ...] = (
    DropNeutralOperand,
    DropSelfOperand,
    DropKnownWhere,
    WhereOfWhere,
    KnownProduct,
)
