"""Constants stand on the right, and meet each other where that rounds nothing differently."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array, Commutative, Constant, Op, Rewriter, Value, op_classes
from edgec.ir.dtypes import dtype_of
from edgec.ir.ops import (
    Add,
    And,
    Binary,
    BitAnd,
    BitOr,
    BitXor,
    Div,
    Maximum,
    Minimum,
    Mul,
    Or,
    Sub,
    Where,
    Xor,
)
from edgec.passes.canonicalize.common import broadcast_dims, broadcasts_into, classes_with
from edgec.passes.pattern import CARRY, ELSEWHERE, Match, Pattern, const, loose, node, var

# For these (x op a) op b = x op (a op b); for Add and Mul on integers only.
_ASSOCIATIVE: tuple[type[Op], ...] = (
    Add, Mul, And, Or, Xor, BitAnd, BitOr, BitXor, Minimum, Maximum,
)  # fmt: skip


_BROADCASTING = tuple(
    cls for cls in op_classes().values() if issubclass(cls, Binary) or cls is Where
)


class ConstantRight(Pattern):
    """c op x -> x op c  for every commutative op"""

    match = (
        node(classes_with(Commutative, operands=2), const("c", near=False), var("x"), attrs=CARRY)
        @ "op"
    )

    def check(self, m: Match) -> str | None:
        swapped = m.op.operands[0] is m.c and not isinstance(m.x, Constant)
        return None if swapped else ELSEWHERE

    def build(self, m: Match, rw: Rewriter) -> Value:
        made: Op = m.op.copy(operands=[m.x, m.c])
        return rw.add(made).result


class Reassociate(Pattern):
    """(x op a) op b -> x op (a op b)  for constants a, b where op is associative to the bit"""

    match = (
        node(
            _ASSOCIATIVE,
            node(_ASSOCIATIVE, var("x"), const("a", near=False)) @ "inner",
            const("b", near=False),
        )
        @ "outer"
    )

    def check(self, m: Match) -> str | None:
        if type(m.inner) is not type(m.outer):
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

    match = node(Sub, var("x"), const("c", near=False))

    def check(self, m: Match) -> str | None:
        if isinstance(m.x, Constant):
            return ELSEWHERE
        return None if m.c.type.dtype.is_float else "the lowest integer has no negation"

    def build(self, m: Match, rw: Rewriter) -> Value:
        return rw.add(Add(m.x, rw.constant(-m.c.array, m.c.hint))).result


class MulByReciprocal(Pattern):
    """x / c -> x * (1 / c)  when every element of c is a power of two"""

    match = node(Div, var("x"), const("c", near=False))

    def check(self, m: Match) -> str | None:
        if isinstance(m.x, Constant):
            return ELSEWHERE
        if not m.c.type.dtype.is_float:
            return "integers have no reciprocal"
        reciprocal = _reciprocal(m.c.array)
        if reciprocal is None:
            return "the divisor is no power of two"
        m.captures["reciprocal"] = reciprocal
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        return rw.add(Mul(m.x, rw.constant(m.reciprocal, m.c.hint))).result


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


class ShrinkConstant(Pattern):
    """x op c -> x op d  where floats c repeat d along axes that x has, too, or have more axes"""

    match = loose(_BROADCASTING) @ "op"

    def check(self, m: Match) -> str | None:
        smaller = self._smaller(m.op)
        if smaller is None:
            return ELSEWHERE
        m.captures["smaller"] = smaller
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        operands = list(m.op.operands)
        for index, array in m.smaller.items():
            operands[index] = rw.constant(array, operands[index].hint)
        made: Op = m.op.copy(operands=operands)
        return rw.add(made).result

    @staticmethod
    def _smaller(op: Op) -> dict[int, Array] | None:
        """The constants that may be smaller, by operand."""
        found: dict[int, Array] = {}
        others = [v for v in op.present_operands if not isinstance(v, Constant)]
        for index, value in enumerate(op.operands):
            if not isinstance(value, Constant) or not others or not _is_plain_float(value):
                continue
            array = _without_repeats(value.array)
            dims = broadcast_dims([array.shape, *(v.type.dims for v in others)])
            if array.shape != value.array.shape and dims == op.result.type.dims:
                found[index] = array
        return found or None


def _is_plain_float(constant: Constant) -> bool:
    """Integers stay as they are: they may be a shape followed at compile time."""
    return constant.type.dtype.is_float and constant.type.quant is None


def _without_repeats(array: Array) -> Array:
    """The smallest array that broadcasts to this one, byte for byte."""
    if not array.ndim or not array.size:
        return array
    for axis, size in enumerate(array.shape):
        first = array.take([0], axis=axis)
        if size > 1 and array.take([1], axis=axis).tobytes() == first.tobytes():
            repeated = np.broadcast_to(first, array.shape)
            array = first if repeated.tobytes() == array.tobytes() else array
    leading = next((axis for axis, size in enumerate(array.shape) if size != 1), array.ndim)
    return array.reshape(array.shape[leading:])


RULES: tuple[type[Pattern], ...] = (
    ShrinkConstant,
    ConstantRight,
    Reassociate,
    AddOfNegatedConstant,
    MulByReciprocal,
)
