"""Slices and gathers that together take a value apart, and splits of which one part is read."""

from __future__ import annotations

from collections.abc import Sequence

from edgec.ir import Constant, Op, Rewriter, Value, known_ints
from edgec.ir.ops import Gather, Reshape, Slice, Split, Transpose
from edgec.passes.canonicalize.slices import Cut, add_slice, cuts
from edgec.passes.pattern import ANY, CARRY, ELSEWHERE, Match, Pattern, const, maybe, node, var


def _only_cut(op: Slice) -> tuple[int, int] | None:
    """Begin and end of a slice along one axis, without steps; None for any other slice."""
    found = cuts(op) if len(op.axes) == 1 else None
    if found is None:
        return None
    axis = op.axes[0]
    return found[axis].within(op.x.type.dims[axis])


def _partition(op: Slice) -> list[Slice] | str:
    """The slices of the same value that follow each other from its begin to its end, or why there
    are none. Only the first of them is asked in earnest."""
    axis, size = op.axes[0], op.x.type.dims[op.axes[0]]
    by_begin: dict[int, tuple[int, Slice]] = {}
    for reader in op.x.users:
        if not isinstance(reader, Slice) or reader.axes != op.axes or reader.graph is not op.graph:
            continue
        cut = _only_cut(reader) if reader.result.is_used else None
        if cut is None or cut[0] == cut[1]:
            continue
        if by_begin.setdefault(cut[0], (cut[1], reader)) != (cut[1], reader):
            return "two slices begin at one place"
    parts: list[Slice] = []
    at = 0
    while at != size:
        end, part = by_begin.get(at, (0, op))
        if end <= at:
            return "the slices do not cover the axis"
        parts.append(part)
        at = end
    return parts if parts[0].x.type.dims[axis] == size else "the slices do not cover the axis"


def earliest(ops: Sequence[Op], source: Value) -> Op:
    """The first of some readers of a value, all in one graph, in its order."""
    wanted, graph = set(ops), ops[0].graph
    assert graph is not None
    producer = source.producer
    at = producer.next if producer is not None and producer.graph is graph else graph.first
    while at is not None and at not in wanted:
        at = at.next
    assert at is not None, "an op stands before what it reads"
    return at


class SlicesToSplit(Pattern):
    """x[0:a], x[a:b], x[b:n] -> split(x, [a, b-a, n-b])  for slices that cover the axis"""

    match = node(Slice, var("x"), ANY, ANY, maybe(ANY), attrs=CARRY) @ "slice"

    def check(self, m: Match) -> str | None:
        cut = _only_cut(m.slice)
        if cut is None or cut[0] != 0 or cut[1] == m.x.type.dims[m.slice.axes[0]]:
            return ELSEWHERE
        if m.x.user_count < 2 or m.x.type.quant is not None:
            return ELSEWHERE
        found = _partition(m.slice)
        if isinstance(found, str):
            return found
        m.captures["parts"] = found
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        parts: list[Slice] = m.parts
        axis = m.slice.axes[0]
        sizes = tuple(part.result.type.dims[axis] for part in parts)
        split = rw.at(earliest(parts, m.x)).add(Split(m.x, axis=axis, sizes=sizes))
        for part, result in zip(parts[1:], split.results[1:], strict=True):
            rw.replace(part, result)
        return split.result


class SplitToSlice(Pattern):
    """split(x) -> x[a:b]  when only one part is read"""

    match = node(Split, var("x"), attrs=CARRY) @ "split"

    def check(self, m: Match) -> str | None:
        read = [result for result in m.split.results if result.is_used]
        if len(read) != 1 or len(m.split.results) == 1 or m.x.type.quant is not None:
            return ELSEWHERE
        sizes = [result.type.dims[m.split.axis] for result in m.split.results]
        if not all(isinstance(size, int) for size in sizes):
            return "the sizes of the parts are not known"
        return None

    def build(self, m: Match, rw: Rewriter) -> Sequence[Value | None]:
        begin, made = 0, []
        for result in m.split.results:
            end = begin + result.type.dims[m.split.axis]
            cut = {m.split.axis: Cut(begin, end, 1)}
            made.append(add_slice(rw, m.x, cut) if result.is_used else None)
            begin = end
        return made


class KeepGatheredDim(Pattern):
    """reshape(gather(x, i)) -> x[i:i+1]  when the reshape puts the gathered axis back"""

    match = (
        node(
            Reshape,
            node(Gather, var("x"), var("index"), attrs=CARRY) @ "gather",
            maybe(ANY),
            attrs=CARRY,
        )
        @ "reshape"
    )

    def check(self, m: Match) -> str | None:
        axis, dims = m.gather.axis, m.x.type.dims
        known = known_ints(m.index) if isinstance(m.index, Constant) else None
        if known is None or m.index.type.rank != 0:
            return ELSEWHERE
        if m.reshape.result.type.dims != (*dims[:axis], 1, *dims[axis + 1 :]):
            return "the reshape does not put the gathered axis back"
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        index = (known_ints(m.index) or (0,))[0]
        end = index + 1 if index != -1 else 2**63 - 1
        return add_slice(rw, m.x, {m.gather.axis: Cut(index, end, 1)})


class SplitOfUnits(Pattern):
    """split(transpose(reshape(x, [.., k, h, ..]), p), k parts), each without its dim of 1
    -> split(transpose(reshape(x, [.., k*h, ..]), q), k parts)"""

    match = (
        node(
            Split,
            node(
                Transpose,
                node(Reshape, var("x"), maybe(ANY), attrs=CARRY) @ "reshape",
                attrs=CARRY,
            )
            @ "transpose",
            attrs=CARRY,
        )
        @ "split"
    )

    def check(self, m: Match) -> str | None:
        axis = m.split.axis
        if any(result.type.dims[axis] != 1 for result in m.split.results):
            return ELSEWHERE
        readers = [user for result in m.split.results for user in result.users]
        if not all(isinstance(user, Reshape) for user in readers):
            return "a part keeps its dim of 1"
        return _why_not_joined(m.reshape, m.transpose.perm[axis])

    def build(self, m: Match, rw: Rewriter) -> Sequence[Value]:
        parts = _split_of_units(m.x, m.reshape, m.transpose.perm, m.split.axis, rw)
        types = [result.type.dims for result in m.split.results]
        return [
            rw.add(Reshape(part, to=dims)).result for part, dims in zip(parts, types, strict=True)
        ]


class GathersOfUnits(Pattern):
    """gather(transpose(reshape(x, [.., k, h, ..]), p), 0), gather(.., 1), …, gather(.., k-1)
    -> split(transpose(reshape(x, [.., k*h, ..]), q), k parts)"""

    match = (
        node(
            Gather,
            node(
                Transpose,
                node(Reshape, var("x"), maybe(ANY), attrs=CARRY, shared=True) @ "reshape",
                attrs=CARRY,
                shared=True,
            )
            @ "transpose",
            const("index", near=False),
            attrs=CARRY,
        )
        @ "gather"
    )

    def check(self, m: Match) -> str | None:
        if _scalar_index(m.gather) != 0:
            return ELSEWHERE
        if m.reshape.result.user_count != 1:
            return "the reshape has other readers"
        reason = _why_not_joined(m.reshape, m.transpose.perm[m.gather.axis])
        if reason is not None:
            return reason
        gathers = _gathers_of_all(m.gather)
        if gathers is None:
            return "not every index of the axis is gathered"
        m.captures["gathers"] = gathers
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        gathers: list[Gather] = m.gathers
        first = earliest(gathers, m.transpose.result)
        perm, axis = m.transpose.perm, m.gather.axis
        parts = _split_of_units(m.x, m.reshape, perm, axis, rw.at(first))
        for gather, part in zip(gathers[1:], parts[1:], strict=True):
            rw.replace(gather, part)
        return parts[0]


def _why_not_joined(reshape: Reshape, outer: int) -> str | None:
    """Why a dim of the reshape cannot be one with the next inner one."""
    dims = reshape.result.type.dims
    if outer + 1 >= len(dims):
        return "the parts lie along the innermost dim"
    return None if isinstance(dims[outer + 1], int) else "the size of a part is not known"


def _scalar_index(gather: Gather) -> int | None:
    """The one index of a gather that drops its axis, counted from the begin."""
    indices, size = gather.indices, gather.x.type.dims[gather.axis]
    if not isinstance(indices, Constant) or indices.type.rank or not isinstance(size, int):
        return None
    return int(indices.array) % size if size else None


def _gathers_of_all(gather: Gather) -> list[Gather] | None:
    """The readers of what ``gather`` reads, when they gather each index of its axis once."""
    found: dict[int, Gather] = {}
    for reader in gather.x.users:
        if not isinstance(reader, Gather) or reader.axis != gather.axis:
            return None
        index = _scalar_index(reader)
        if index is None or index in found or reader.graph is not gather.graph:
            return None
        found[index] = reader
    whole = len(found) == gather.x.type.dims[gather.axis]
    return [found[index] for index in range(len(found))] if whole else None


def _split_of_units(
    x: Value, reshape: Reshape, perm: Sequence[int], axis: int, rw: Rewriter
) -> Sequence[Value]:
    """The parts, without their dims of 1, of a transposed reshape along an axis."""
    dims = reshape.result.type.dims
    outer = perm[axis]
    joined = (*dims[:outer], dims[outer] * dims[outer + 1], *dims[outer + 2 :])
    rest = [old for old in perm if old != outer]
    moved = tuple(old - (old > outer) for old in rest)
    value = rw.add(Reshape(x, to=joined)).result
    if moved != tuple(range(len(moved))):
        value = rw.add(Transpose(value, perm=moved)).result
    count, size = dims[outer : outer + 2]
    assert isinstance(count, int)
    assert isinstance(size, int)
    sizes = (size,) * count
    return rw.add(Split(value, axis=rest.index(outer + 1), sizes=sizes)).results


RULES: tuple[type[Pattern], ...] = (
    SplitToSlice,
    SlicesToSplit,
    KeepGatheredDim,
    SplitOfUnits,
    GathersOfUnits,
)
