"""A function applied to its own result, or to that of its inverse."""

from __future__ import annotations

from edgec.ir import Idempotent, Op, Rewriter, Value
from edgec.ir.ops import (
    Abs,
    Add,
    BitNot,
    Exp,
    Neg,
    Not,
    Relu,
    Sigmoid,
    Softmax,
    Sqrt,
    Sub,
    Where,
)
from edgec.passes.canonicalize.common import Drop, classes_with
from edgec.passes.pattern import CARRY, ELSEWHERE, Match, Pattern, node, var

_IDEMPOTENT = classes_with(Idempotent, operands=1)
_INVOLUTIONS = (Neg, Not, BitNot)
_RECTIFIERS = (Relu, Abs)
_NON_NEGATIVE = (Relu, Abs, Exp, Sqrt, Sigmoid, Softmax)


class DropDoubleInverse(Drop):
    """-(-x), not not x, ~~x -> x"""

    match = node(_INVOLUTIONS, node(_INVOLUTIONS, var("x"), shared=True) @ "inner") @ "outer"

    def check(self, m: Match) -> str | None:
        return None if type(m.inner) is type(m.outer) else ELSEWHERE


class DropRepeated(Pattern):
    """f(f(x)) -> f(x)  for every idempotent f with the same attributes"""

    match = (
        node(
            _IDEMPOTENT,
            node(_IDEMPOTENT, var("x"), attrs=CARRY, shared=True) @ "inner",
            attrs=CARRY,
        )
        @ "outer"
    )

    def check(self, m: Match) -> str | None:
        if type(m.inner) is not type(m.outer):
            return ELSEWHERE
        if m.inner.attributes != m.outer.attributes:
            return ELSEWHERE
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        kept: Value = m.inner.result
        return kept


class DropRectifier(Pattern):
    """relu(f(x)), |f(x)| -> f(x)  for every f that is never negative"""

    match = (
        node(_RECTIFIERS, node(_NON_NEGATIVE, var("x"), attrs=CARRY, shared=True) @ "inner")
        @ "outer"
    )

    def check(self, m: Match) -> str | None:
        if not m.inner.result.type.dtype.is_float:
            return "the absolute value of the lowest integer is negative"
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        kept: Value = m.inner.result
        return kept


class AbsOfNegation(Pattern):
    """|-x| -> |x|"""

    match = node(Abs, node(Neg, var("x"), shared=True)) @ "abs"

    def build(self, m: Match, rw: Rewriter) -> Value:
        made: Op = m.abs.copy(x=m.x)
        return rw.add(made).result


class AddOfNegation(Pattern):
    """x + (-y) -> x - y"""

    match = node(Add, var("x"), node(Neg, var("y"), shared=True)) @ "add"

    def build(self, m: Match, rw: Rewriter) -> Value:
        return rw.add(Sub(m.x, m.y)).result


class SubOfNegation(Pattern):
    """x - (-y) -> x + y"""

    match = node(Sub, var("x"), node(Neg, var("y"), shared=True)) @ "sub"

    def build(self, m: Match, rw: Rewriter) -> Value:
        return rw.add(Add(m.x, m.y)).result


class NegationOfSub(Pattern):
    """-(x - y) -> y - x"""

    match = node(Neg, node(Sub, var("x"), var("y")))

    def build(self, m: Match, rw: Rewriter) -> Value:
        return rw.add(Sub(m.y, m.x)).result


class WhereNot(Pattern):
    """where(not c, x, y) -> where(c, y, x)"""

    match = node(Where, node(Not, var("cond"), shared=True), var("x"), var("y")) @ "where"

    def build(self, m: Match, rw: Rewriter) -> Value:
        made: Op = m.where.copy(cond=m.cond, x=m.y, y=m.x)
        return rw.add(made).result


RULES: tuple[type[Pattern], ...] = (
    DropDoubleInverse,
    DropRepeated,
    DropRectifier,
    AbsOfNegation,
    AddOfNegation,
    SubOfNegation,
    NegationOfSub,
    WhereNot,
)
