"""Concatenations and splits that undo each other, or do nothing."""

from __future__ import annotations

from collections.abc import Sequence

from edgec.ir import Op, Rewriter, Value
from edgec.ir.ops import Concat, Slice, Split
from edgec.passes.canonicalize.common import Drop
from edgec.passes.canonicalize.slices import Cut, add_slice, cuts
from edgec.passes.pattern import ANY, CARRY, ELSEWHERE, Match, Pattern, maybe, node, var


class DropConcat(Pattern):
    """concat(x) -> x"""

    match = node(Concat, xs=ANY, attrs=CARRY) @ "concat"

    def check(self, m: Match) -> str | None:
        return None if len(m.concat.xs) == 1 else ELSEWHERE

    def build(self, m: Match, rw: Rewriter) -> Value:
        kept: Value = m.concat.xs[0]
        return kept


class DropEmptyParts(Pattern):
    """concat(x, empty, y) -> concat(x, y)"""

    match = node(Concat, xs=ANY, attrs=CARRY) @ "concat"

    def check(self, m: Match) -> str | None:
        kept = self._kept(m.concat)
        return None if 0 < len(kept) < len(m.concat.xs) else ELSEWHERE

    def build(self, m: Match, rw: Rewriter) -> Value:
        made: Op = m.concat.copy(operands=self._kept(m.concat))
        return rw.add(made).result

    @staticmethod
    def _kept(concat: Concat) -> list[Value]:
        return [x for x in concat.xs if x.type.dims[concat.axis] != 0]


def _nested(value: Value, outer: Concat) -> Concat | None:
    """The concat along the same axis that only ``outer`` reads."""
    inner = value.producer
    if not isinstance(inner, Concat) or inner.axis != outer.axis or value.use_count != 1:
        return None
    return inner if inner.graph is outer.graph else None


class FlattenConcat(Pattern):
    """concat(concat(x, y), z) -> concat(x, y, z)  along one axis"""

    match = node(Concat, xs=ANY, attrs=CARRY) @ "concat"

    def check(self, m: Match) -> str | None:
        concat = m.concat
        users = concat.result.users
        if len(users) == 1 and isinstance(users[0], Concat) and _nested(concat.result, users[0]):
            return ELSEWHERE  # the outermost one gathers them all, in linear time
        return None if any(_nested(x, concat) for x in concat.xs) else ELSEWHERE

    def build(self, m: Match, rw: Rewriter) -> Value:
        parts: list[Value] = []
        pending = list(reversed(m.concat.xs))
        nested: list[Concat] = []
        while pending:
            value = pending.pop()
            inner = _nested(value, m.concat)
            if inner is None:
                parts.append(value)
                continue
            nested.append(inner)
            rw.locate(inner.loc)
            pending.extend(reversed(inner.xs))
        m.interior.extend(reversed(nested))
        made: Op = m.concat.copy(operands=parts)
        return rw.add(made).result


class JoinParts(Pattern):
    """concat(split(x)) -> x  when all parts follow each other along the same axis"""

    match = node(Concat, xs=ANY, attrs=CARRY) @ "concat"

    def check(self, m: Match) -> str | None:
        return None if self._joined(m.concat) is not None else ELSEWHERE

    def build(self, m: Match, rw: Rewriter) -> Value:
        joined = self._joined(m.concat)
        assert joined is not None
        return joined[0] if len(joined) == 1 else rw.add(m.concat.copy(operands=joined)).result

    @staticmethod
    def _joined(concat: Concat) -> list[Value] | None:
        """The operands with each run of all parts of one split replaced by what was split."""
        values = list(concat.xs)
        found: list[Value] = []
        at = 0
        while at < len(values):
            split = values[at].producer
            whole = (
                isinstance(split, Split)
                and split.axis == concat.axis
                and values[at : at + len(split.results)] == list(split.results)
            )
            if whole and isinstance(split, Split):
                found.append(split.x)
                at += len(split.results)
            else:
                found.append(values[at])
                at += 1
        return found if found != values else None


class DropSplit(Drop):
    """split(x) -> x  into a single part"""

    match = node(Split, var("x"), attrs=CARRY) @ "split"

    def check(self, m: Match) -> str | None:
        return None if len(m.split.results) == 1 else ELSEWHERE


class SplitBySizes(Pattern):
    """split(x, parts=k) -> split(x, sizes)  when the sizes are known"""

    match = node(Split, var("x"), attrs=CARRY) @ "split"

    def check(self, m: Match) -> str | None:
        if m.split.sizes is not None:
            return ELSEWHERE
        known = all(isinstance(size, int) for size in m.split.part_dims)
        return None if known else "the sizes of the parts are not known"

    def build(self, m: Match, rw: Rewriter) -> Sequence[Value]:
        made: Op = m.split.copy(parts=0, sizes=m.split.part_dims)
        return rw.add(made).results


class SplitOfConcat(Pattern):
    """split(concat(x, y)) -> x, y  when the parts are the operands"""

    match = (
        node(Split, node(Concat, xs=ANY, attrs=CARRY, shared=True) @ "concat", attrs=CARRY)
        @ "split"
    )

    def check(self, m: Match) -> str | None:
        axis = m.concat.axis
        if m.split.axis != axis:
            return ELSEWHERE
        sizes = [result.type.dims[axis] for result in m.split.results]
        if sizes != [x.type.dims[axis] for x in m.concat.xs]:
            return "the parts are not the operands of the concat"
        return None

    def build(self, m: Match, rw: Rewriter) -> Sequence[Value]:
        kept: Sequence[Value] = m.concat.xs
        return kept


class SliceOfConcat(Pattern):
    """concat(x, y)[a:b] -> y[a-n:b-n]  when the slice lies inside one operand, n before it"""

    match = (
        node(
            Slice,
            node(Concat, xs=ANY, attrs=CARRY, shared=True) @ "concat",
            ANY,
            ANY,
            maybe(ANY),
            attrs=CARRY,
        )
        @ "slice"
    )

    def check(self, m: Match) -> str | None:
        if m.concat.axis not in m.slice.axes:
            return ELSEWHERE
        if self._part(m) is None:
            return (
                "the slice lies in more than one operand of the concat, or its place is not known"
            )
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        part, cut = self._part(m) or (None, None)
        known = cuts(m.slice)
        assert part is not None
        assert cut is not None
        assert known is not None
        return add_slice(rw, part, {**known, m.concat.axis: cut})

    @staticmethod
    def _part(m: Match) -> tuple[Value, Cut] | None:
        axis = m.concat.axis
        known = cuts(m.slice)
        bounds = known and known[axis].within(m.concat.result.type.dims[axis])
        if not bounds or bounds[0] == bounds[1]:
            return None
        before = 0
        for x in m.concat.xs:
            size = x.type.dims[axis]
            if before <= bounds[0] and bounds[1] <= before + size:
                return x, Cut(bounds[0] - before, bounds[1] - before, 1)
            before += size
        return None


RULES: tuple[type[Pattern], ...] = (
    DropConcat,
    DropEmptyParts,
    JoinParts,
    FlattenConcat,
    DropSplit,
    SplitBySizes,
    SplitOfConcat,
    SliceOfConcat,
)
