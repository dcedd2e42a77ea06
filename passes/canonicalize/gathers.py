"""Gathers at constant indices that a slice or a reshape makes cheaper."""

from __future__ import annotations

from edgec.ir import Constant, Dim, Rewriter, Value
from edgec.ir.ops import Gather, Reshape
from edgec.passes.canonicalize.common import Drop
from edgec.passes.canonicalize.slices import Cut, add_slice
from edgec.passes.pattern import CARRY, ELSEWHERE, Match, Pattern, node, var

_MOST_INDICES = 1 << 16  # a longer run is looked at in vain too often


def _run(m: Match) -> tuple[int, int] | None:
    """First index and one past the last one of indices that follow each other in one dimension."""
    size: Dim = m.x.type.dims[m.gather.axis]
    if not isinstance(m.indices, Constant) or m.indices.type.rank != 1 or not isinstance(size, int):
        return None
    array = m.indices.array
    if not 0 < array.size <= _MOST_INDICES:
        return None
    array = array % size
    first = int(array[0])
    return (first, first + array.size) if (array[1:] - array[:-1] == 1).all() else None


class DropGather(Drop):
    """gather(x, [0, 1, …, n-1]) -> x  when the dim is n"""

    match = node(Gather, var("x"), var("indices"), attrs=CARRY) @ "gather"

    def check(self, m: Match) -> str | None:
        return None if _run(m) == (0, m.x.type.dims[m.gather.axis]) else ELSEWHERE


class GatherToSlice(Pattern):
    """gather(x, [a, a+1, …, b-1]) -> x[a:b]"""

    match = node(Gather, var("x"), var("indices"), attrs=CARRY) @ "gather"

    def check(self, m: Match) -> str | None:
        return None if _run(m) else ELSEWHERE

    def build(self, m: Match, rw: Rewriter) -> Value:
        start, end = _run(m) or (0, 0)
        return add_slice(rw, m.x, {m.gather.axis: Cut(start, end, 1)})


class GatherToReshape(Pattern):
    """gather(x, 0) -> reshape(x)  when the dim is 1"""

    match = node(Gather, var("x"), var("indices"), attrs=CARRY) @ "gather"

    def check(self, m: Match) -> str | None:
        if m.x.type.dims[m.gather.axis] != 1 or not isinstance(m.indices, Constant):
            return ELSEWHERE
        return None if m.indices.type.rank == 0 else ELSEWHERE

    def build(self, m: Match, rw: Rewriter) -> Value:
        return rw.add(Reshape(m.x, to=m.gather.result.type.dims)).result


RULES: tuple[type[Pattern], ...] = (DropGather, GatherToSlice, GatherToReshape)
