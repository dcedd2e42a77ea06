"""Branches that are known, loops of few known trips, and results that nobody reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgec.ir import Graph, Rewriter, Value, clone_op, known_ints
from edgec.ir.ops import Concat, If, Loop, Reshape
from edgec.passes.pattern import ELSEWHERE, Match, Pattern, loose


def _inline(region: Graph, inputs: Sequence[Value], rw: Rewriter) -> list[Value]:
    """Copy a region's ops to the insertion point; what it returns when it takes these inputs."""
    copies: dict[Value, Value] = dict(zip(region.inputs, inputs, strict=True))
    for op in region.ops:
        rw.add(clone_op(op, copies, {}, rw.graph))
    return [copies.get(value, value) for value in region.outputs]


def _returns(region: Graph, kept: Sequence[Value], rw: Rewriter) -> None:
    """Let a region return only these values."""
    inner = rw.at(region.terminator)
    inner.erase(region.terminator)
    inner.finish(kept)


def _dims_differ(values: Sequence[Value], results: Sequence[Value]) -> bool:
    return any(v.type.dims != r.type.dims for v, r in zip(values, results, strict=True))


class InlineBranch(Pattern):
    """if(true) then a else b -> a;  if(false) then a else b -> b"""

    match = loose(If) @ "op"

    def check(self, m: Match) -> str | None:
        taken = self._taken(m.op)
        if taken is None:
            return "the condition is computed at run time"
        if _dims_differ(taken.outputs, m.op.results):
            return "the branch gives other dims than the if, which later ops refer to"
        return None

    def build(self, m: Match, rw: Rewriter) -> Sequence[Value]:
        taken = self._taken(m.op)
        assert taken is not None
        return _inline(taken, (), rw)

    @staticmethod
    def _taken(op: If) -> Graph | None:
        known = known_ints(op.cond)
        return None if known is None else op.regions[0 if known[0] else 1]


class DropUnreadBranchResults(Pattern):
    """if(c) then a, b else d, e -> if(c) then a else d  when nothing reads the second result"""

    match = loose(If) @ "op"

    def check(self, m: Match) -> str | None:
        read = [result.is_used for result in m.op.results]
        return ELSEWHERE if all(read) or not any(read) else None

    def build(self, m: Match, rw: Rewriter) -> Sequence[Value | None]:
        read = [result.is_used for result in m.op.results]
        for region in m.op.regions:
            pairs = zip(region.outputs, read, strict=True)
            _returns(region, [value for value, is_read in pairs if is_read], rw)
        types = [result.type for result in m.op.results if result.is_used]
        made = iter(rw.add(m.op.copy(types=types)).results)
        return [next(made) if is_read else None for is_read in read]


MOST_UNROLLED = 256  # ops that take the place of one loop


def _trips(op: Loop) -> int | None:
    """How often the body runs, where that is certain."""
    trips = None if op.trip is None else known_ints(op.trip)
    enters = (1,) if op.cond is None else known_ints(op.cond)
    if (trips is not None and trips[0] <= 0) or (enters is not None and not enters[0]):
        return 0
    if trips is None or enters is None:
        return None
    body = op.regions[0]
    goes_on = body.outputs[0]
    always = goes_on is body.inputs[1] or known_ints(goes_on) == (1,)
    return trips[0] if always or trips[0] == 1 else None


class UnrollLoop(Pattern):
    """loop(trip=n, carried) body -> body(n-1, …, body(0, true, carried));  loop(trip=0, carried) ->
    carried;  for a number of trips that is known, and not too many ops"""

    match = loose(Loop) @ "op"

    def check(self, m: Match) -> str | None:
        trips = _trips(m.op)
        if trips is None:
            return "the number of trips is not known"
        body = m.op.regions[0]
        if trips > 1 and trips * len(tuple(body.walk)) > MOST_UNROLLED:
            return "the loop would become too many ops"
        return self._why_other_dims(m.op, trips)

    @staticmethod
    def _why_other_dims(op: Loop, trips: int) -> str | None:
        count, body = len(op.carried), op.regions[0]
        after = body.outputs[1 : count + 1] if trips else op.carried
        differ = _dims_differ(after, op.results[:count])
        if differ or (trips > 1 and _dims_differ(op.carried, body.inputs[2:])):
            return "the carried values have other dims than the loop's results"
        if not trips and not all(scan.type.is_static for scan in op.results[count:]):
            return "the dims of an empty scan result are not known"
        return None

    def build(self, m: Match, rw: Rewriter) -> Sequence[Value]:
        op, count = m.op, len(m.op.carried)
        trips = _trips(op)
        if not trips:
            return [*op.carried, *(self._empty(scan, rw) for scan in op.results[count:])]
        body, carried = op.regions[0], list(op.carried)
        iteration, enters = (value.type for value in body.inputs[:2])
        true = rw.constant(np.ones(enters.static_dims or (), enters.dtype.numpy))
        scans: list[list[Value]] = [[] for _ in op.results[count:]]
        for trip in range(trips):
            number = rw.constant(np.full(iteration.static_dims or (), trip, iteration.dtype.numpy))
            _, *after = _inline(body, [number, true, *carried], rw)
            carried = after[:count]
            for stack, value in zip(scans, after[count:], strict=True):
                stack.append(rw.add(Reshape(value, to=(1, *value.type.dims))).result)
        return [*carried, *(self._stacked(stack, rw) for stack in scans)]

    @staticmethod
    def _stacked(parts: list[Value], rw: Rewriter) -> Value:
        return parts[0] if len(parts) == 1 else rw.add(Concat(tuple(parts), axis=0)).result

    @staticmethod
    def _empty(scan: Value, rw: Rewriter) -> Value:
        return rw.constant(np.zeros(scan.type.static_dims or (), scan.type.dtype.numpy))


class DropUnreadScans(Pattern):
    """loop(…) -> carried, scans  without the scans that nobody reads"""

    match = loose(Loop) @ "op"

    def check(self, m: Match) -> str | None:
        scans = m.op.results[len(m.op.carried) :]
        return ELSEWHERE if all(scan.is_used for scan in scans) else None

    def build(self, m: Match, rw: Rewriter) -> Sequence[Value | None]:
        op, count, body = m.op, len(m.op.carried), m.op.regions[0]
        kept = [i < count or result.is_used for i, result in enumerate(op.results)]
        outputs = zip(body.outputs[1:], kept, strict=True)
        _returns(body, [body.outputs[0], *(value for value, is_kept in outputs if is_kept)], rw)
        types = [result.type for result, is_kept in zip(op.results, kept, strict=True) if is_kept]
        made = iter(rw.add(op.copy(types=types)).results)
        return [next(made) if is_kept else None for is_kept in kept]


class ReadConstantCarried(Pattern):
    """loop(x) body(i, c, s) returns …, s -> x  in place of s and of the loop's result"""

    match = loose(Loop) @ "op"

    def check(self, m: Match) -> str | None:
        return ELSEWHERE if _unchanged(m.op) is None else None

    def build(self, m: Match, rw: Rewriter) -> Sequence[Value]:
        op: Loop = m.op
        index = _unchanged(op)
        assert index is not None
        body, initial = op.regions[0], op.carried[index]
        rw.at(body.terminator).replace_uses(body.inputs[index + 2], initial)
        made = rw.add(op.copy(types=[result.type for result in op.results])).results
        return [*made[:index], initial, *made[index + 1 :]]


def _unchanged(op: Loop) -> int | None:
    """The first carried value that the body hands on as it is."""
    body = op.regions[0]
    for index, initial in enumerate(op.carried):
        inside = body.inputs[index + 2]
        if body.outputs[index + 1] is inside and inside.type == initial.type:
            return index
    return None


RULES: tuple[type[Pattern], ...] = (
    InlineBranch,
    DropUnreadBranchResults,
    DropUnreadScans,
    ReadConstantCarried,
    UnrollLoop,
)
