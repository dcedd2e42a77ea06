"""Questions that several rules ask of values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgec.ir import (
    Constant,
    Dim,
    Op,
    Rewriter,
    Trait,
    Value,
    broadcast_dim,
    known_ints,
    op_classes,
)
from edgec.passes.pattern import Match, Pattern


class Drop(Pattern):
    """Base of the rules that end in ``-> x``: the value captured as x takes the root's place."""

    def build(self, m: Match, rw: Rewriter) -> Value:
        x: Value = m.x
        return x


def classes_with(trait: type[Trait], operands: int) -> tuple[type[Op], ...]:
    """Every op class that has the trait and takes exactly that many operands."""
    return tuple(
        cls
        for cls in op_classes().values()
        if cls.has(trait)
        and len(cls.operand_specs) == operands
        and all(spec.kind == "one" for spec in cls.operand_specs)
    )


def is_all(value: Value | None, number: float) -> bool:
    """True for a constant all of whose elements are that number."""
    if not isinstance(value, Constant) or not value.array.size:
        return False
    array = value.array
    return bool(array.flat[0] == number) and (array.size == 1 or bool(np.all(array == number)))


def broadcasts_into(small: Value, large: Value) -> bool:
    """True when an elementwise op on both has the dims of ``large``."""
    return dims_broadcast_into(small.type.dims, large.type.dims)


def dims_broadcast_into(small: Sequence[Dim], large: Sequence[Dim]) -> bool:
    """True when the first dims broadcast to the second ones, whatever their symbols are."""
    if len(small) > len(large):
        return False
    own = large[len(large) - len(small) :]
    return all(a in (1, b) for a, b in zip(small, own, strict=True))


def all_ints(value: Value | None, number: int) -> bool:
    """True when every element of an integer value is known to be that number; for None too."""
    if value is None:
        return True
    found = known_ints(value)
    return found is not None and all(element == number for element in found)


def broadcast_dims(shapes: Iterable[Sequence[Dim]]) -> tuple[Dim, ...] | None:
    """The dims that all of these broadcast to; None where they provably do not."""
    dims: list[Dim] = []
    for shape in shapes:
        dims[:0] = [1] * (len(shape) - len(dims))
        for axis, dim in enumerate(shape, start=len(dims) - len(shape)):
            both = broadcast_dim(dims[axis], dim)
            if both is None:
                return None
            dims[axis] = both
    return tuple(dims)


def int_constant(rw: Rewriter, numbers: Sequence[int]) -> Constant:
    """An i64[n] constant."""
    return rw.constant(np.array(numbers, dtype=np.int64))
