"""Slices that cut nothing off, or follow each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from edgec.ir import Rewriter, Value, known_ints
from edgec.ir.ops import Slice
from edgec.passes.canonicalize.common import Drop, all_ints, int_constant
from edgec.passes.pattern import ANY, CARRY, ELSEWHERE, Match, Pattern, maybe, node, var


class Cut(NamedTuple):
    """What a slice takes along one axis, as its operands say it."""

    start: int
    end: int
    step: int

    def within(self, size: object) -> tuple[int, int] | None:
        """First index and one past the last one; None for steps or where the size is unknown."""
        if self.step != 1 or not isinstance(size, int):
            return None
        start, end, _ = slice(self.start, self.end).indices(size)
        return start, max(start, end)


def cuts(op: Slice) -> Mapping[int, Cut] | None:
    """The cut along each sliced axis, None when they are computed at run time."""
    starts, ends = known_ints(op.starts), known_ints(op.ends)
    steps = (1,) * len(op.axes) if op.steps is None else known_ints(op.steps)
    if starts is None or ends is None or steps is None:
        return None
    return {axis: Cut(*cut) for axis, *cut in zip(op.axes, starts, ends, steps, strict=True)}


def add_slice(rw: Rewriter, x: Value, wanted: Mapping[int, Cut]) -> Value:
    """A new slice of x."""
    axes = tuple(sorted(wanted))
    starts, ends, steps = (
        int_constant(rw, [wanted[axis][part] for axis in axes]) for part in range(3)
    )
    unit = all(cut.step == 1 for cut in wanted.values())
    return rw.add(Slice(x, starts, ends, None if unit else steps, axes=axes)).result


class DropSlice(Drop):
    """x[0:n, 0:m, …] -> x"""

    match = node(Slice, var("x"), ANY, ANY, maybe(var("steps")), attrs=CARRY) @ "slice"

    def check(self, m: Match) -> str | None:
        if m.slice.result.type.dims != m.x.type.dims or not all_ints(m.slice.steps, 1):
            return ELSEWHERE
        return None


class MergeSlices(Pattern):
    """x[a:b][c:d] -> x[a+c:a+d]"""

    match = (
        node(
            Slice,
            node(Slice, var("x"), ANY, ANY, maybe(ANY), attrs=CARRY, shared=True) @ "inner",
            ANY,
            ANY,
            maybe(ANY),
            attrs=CARRY,
        )
        @ "outer"
    )

    def check(self, m: Match) -> str | None:
        inner, outer = cuts(m.inner), cuts(m.outer)
        if inner is None or outer is None:
            return "a bound is computed at run time"
        if self._merged(m, inner, outer) is None:
            return "both slices cut one axis, with steps or where its size is not known"
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        inner, outer = cuts(m.inner), cuts(m.outer)
        assert inner is not None
        assert outer is not None
        merged = self._merged(m, inner, outer)
        assert merged is not None
        return add_slice(rw, m.x, merged)

    @staticmethod
    def _merged(
        m: Match, inner: Mapping[int, Cut], outer: Mapping[int, Cut]
    ) -> Mapping[int, Cut] | None:
        merged = {**inner, **outer}
        for axis in inner.keys() & outer.keys():
            first = inner[axis].within(m.x.type.dims[axis])
            second = outer[axis].within(m.inner.result.type.dims[axis])
            if first is None or second is None:
                return None
            merged[axis] = Cut(first[0] + second[0], first[0] + second[1], 1)
        return merged


RULES: tuple[type[Pattern], ...] = (DropSlice, MergeSlices)
