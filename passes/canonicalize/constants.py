"""Constants stand on the right, and meet each other where that rounds nothing differently."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array, Commutative, Constant, Op, Rewriter, Value
from edgec.ir.dtypes import dtype_of
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
    Sub,
    Xor,
)
from edgec.passes.canonicalize.common import broadcasts_into, classes_with
from edgec.passes.pattern import CARRY, ELSEWHERE, Match, Pattern, node, var

# For these (x op a) op b = x op (a op b); for Add and Mul on integers only.
_ASSOCIATIVE: tuple[type[Op], ...] = (
    Add, Mul, And, Or, Xor, BitAnd, BitOr, BitXor, Minimum, Maximum,
)  # fmt: skip


class ConstantRight(Pattern):
    """c op x -> x op c  for every commutative op"""

    match = node(classes_with(Commutative, operands=2), var("x"), var("y"), attrs=CARRY) @ "op"

    def check(self, m: Match) -> str | None:
        first, second = m.op.operands
        swapped = isinstance(first, Constant) and not isinstance(second, Constant)
        return None if swapped else ELSEWHERE

    def build(self, m: Match, rw: Rewriter) -> Value:
        first, second = m.op.operands
        made: Op = m.op.copy(operands=[second, first])
        return rw.add(made).result


class Reassociate(Pattern):
    """(x op a) op b -> x op (a op b)  for constants a, b where op is associative to the bit"""

    match = node(_ASSOCIATIVE, node(_ASSOCIATIVE, var("x"), var("a")) @ "inner", var("b")) @ "outer"

    def check(self, m: Match) -> str | None:
        if type(m.inner) is not type(m.outer):
            return ELSEWHERE
        if not (isinstance(m.a, Constant) and isinstance(m.b, Constant)):
            return ELSEWHERE
        if isinstance(m.outer, (Add, Mul)) and m.x.type.dtype.is_float:
            return "floats round in the order in which they are computed"
        if not (broadcasts_into(m.a, m.b) or broadcasts_into(m.b, m.a)):
            return "the two constants together are larger than either"
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        both = rw.add(type(m.outer)(m.a, m.b)).result
        made: Op = m.outer.copy(x=m.x, y=both)
        return rw.add(made).result


class AddOfNegatedConstant(Pattern):
    """x - c -> x + (-c)  for floats"""

    match = node(Sub, var("x"), var("c"))

    def check(self, m: Match) -> str | None:
        if not isinstance(m.c, Constant) or isinstance(m.x, Constant):
            return ELSEWHERE
        return None if m.c.type.dtype.is_float else "the lowest integer has no negation"

    def build(self, m: Match, rw: Rewriter) -> Value:
        return rw.add(Add(m.x, rw.constant(-m.c.array, m.c.hint))).result


class MulByReciprocal(Pattern):
    """x / c -> x * (1 / c)  when every element of c is a power of two"""

    match = node(Div, var("x"), var("c"))

    def check(self, m: Match) -> str | None:
        if not isinstance(m.c, Constant) or isinstance(m.x, Constant):
            return ELSEWHERE
        if not m.c.type.dtype.is_float:
            return "integers have no reciprocal"
        if _reciprocal(m.c.array) is None:
            return "the divisor is no power of two"
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        reciprocal = _reciprocal(m.c.array)
        assert reciprocal is not None
        return rw.add(Mul(m.x, rw.constant(reciprocal, m.c.hint))).result


def _reciprocal(array: Array) -> Array | None:
    """1 / array where that is exact, else None."""
    mantissa, exponent = np.frexp(np.asarray(array, dtype=np.float64))
    if not array.size or not bool(np.all(np.abs(mantissa) == 0.5)):
        return None
    found = np.asarray(np.ldexp(4 * mantissa, -exponent))
    low, high = dtype_of(array.dtype).limits
    if not bool(np.all((found >= low) & (found <= high))):
        return None
    rounded = found.astype(array.dtype)
    return rounded if bool(np.all(rounded.astype(np.float64) == found)) else None


RULES: tuple[type[Pattern], ...] = (
    ConstantRight,
    Reassociate,
    AddOfNegatedConstant,
    MulByReciprocal,
)
