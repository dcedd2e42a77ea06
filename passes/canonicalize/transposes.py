"""Transposes that do nothing, follow each other, or move no element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from edgec.ir import Dim, Op, Rewriter, Value
from edgec.ir.ops import Reshape, Transpose
from edgec.passes.canonicalize.common import Drop
from edgec.passes.pattern import CARRY, ELSEWHERE, Match, Pattern, node, var

MAX_RANK = 6  # of a transpose that runtimes for small hardware take

Groups: TypeAlias = list[list[int]]


class DropTranspose(Drop):
    """transpose(x, [0, 1, …]) -> x"""

    match = node(Transpose, var("x"), attrs=CARRY) @ "transpose"

    def check(self, m: Match) -> str | None:
        return None if m.transpose.perm == tuple(range(m.x.type.rank)) else ELSEWHERE


class MergeTransposes(Pattern):
    """transpose(transpose(x, p), q) -> transpose(x, [p[q[0]], p[q[1]], …])"""

    match = (
        node(Transpose, node(Transpose, var("x"), attrs=CARRY, shared=True) @ "inner", attrs=CARRY)
        @ "outer"
    )

    def build(self, m: Match, rw: Rewriter) -> Value:
        perm = tuple(m.inner.perm[axis] for axis in m.outer.perm)
        if perm == tuple(range(len(perm))):
            kept: Value = m.x
            return kept
        made: Op = m.outer.copy(x=m.x, perm=perm)
        return rw.add(made).result


class TransposeToReshape(Pattern):
    """transpose(x, perm) -> reshape(x)  when only dims of 1 change their place"""

    match = node(Transpose, var("x"), attrs=CARRY) @ "transpose"

    def check(self, m: Match) -> str | None:
        dims = m.x.type.dims
        moved = [axis for axis in m.transpose.perm if dims[axis] != 1]
        return None if moved == sorted(moved) else ELSEWHERE

    def build(self, m: Match, rw: Rewriter) -> Value:
        return rw.add(Reshape(m.x, to=m.transpose.result.type.dims)).result


class MergeTransposesAroundReshape(Pattern):
    """transpose(reshape(transpose(x, p), to), q) -> reshape(transpose(reshape(x), r))

    The reshape joins and splits dims; each dim of x is split into the factors that either side
    knows, so that one transpose of the factors does what both did.
    """

    match = (
        node(
            Transpose,
            node(Reshape, node(Transpose, var("x"), attrs=CARRY) @ "inner", attrs=CARRY)
            @ "reshape",
            attrs=CARRY,
        )
        @ "outer"
    )

    def check(self, m: Match) -> str | None:
        found = self._factored(m)
        if found is None:
            return "the dims have no common factors"
        return "the transpose would have too many axes" if len(found[1]) > MAX_RANK else None

    def build(self, m: Match, rw: Rewriter) -> Value:
        found = self._factored(m)
        assert found is not None
        split, perm = found
        value = rw.add(Reshape(m.x, to=split)).result
        value = rw.add(Transpose(value, perm=perm)).result
        return rw.add(Reshape(value, to=m.outer.result.type.dims)).result

    @staticmethod
    def _factored(m: Match) -> tuple[tuple[Dim, ...], tuple[int, ...]] | None:
        """The dims of x split into factors, and the permutation of these."""
        found = common_factors(m.inner.result.type.dims, m.reshape.result.type.dims)
        if found is None:
            return None
        factors, before, after = found
        order = [f for axis in range(len(before)) for f in before[m.inner.perm.index(axis)]]
        wanted = [f for axis in m.outer.perm for f in after[axis]]
        return tuple(factors[f] for f in order), tuple(order.index(f) for f in wanted)


class TransposeBeforeReshape(Pattern):
    """transpose(reshape(x, to), p) -> reshape(transpose(x, q))  when the reshape only takes dims
    apart, and the parts of each stay together"""

    match = (
        node(Transpose, node(Reshape, var("x"), attrs=CARRY) @ "reshape", attrs=CARRY) @ "transpose"
    )

    def check(self, m: Match) -> str | None:
        perm = self._perm(m)
        if perm is None:
            return "the transpose mixes the parts of the dims that are taken apart"
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        perm = self._perm(m)
        assert perm is not None
        moved = m.x
        if perm != tuple(range(len(perm))):
            moved = rw.add(Transpose(m.x, perm=perm)).result
        return rw.add(Reshape(moved, to=m.transpose.result.type.dims)).result

    @staticmethod
    def _perm(m: Match) -> tuple[int, ...] | None:
        """Where the dims of x go as wholes."""
        found = common_factors(m.x.type.dims, m.reshape.result.type.dims)
        if found is None or m.reshape.result.type.rank <= m.x.type.rank:
            return None
        _, before, after = found
        if any(len(group) > 1 for group in after):
            return None  # the reshape joins dims
        order = [factor for axis in m.transpose.perm for factor in after[axis]]
        place = {factor: index for index, factor in enumerate(order)}
        for group in before:
            begin = place[group[0]] if group else 0
            if [place[factor] for factor in group] != list(range(begin, begin + len(group))):
                return None
        return tuple(sorted(range(len(before)), key=lambda axis: _begin(before[axis], place)))


def _begin(group: Sequence[int], place: Mapping[int, int]) -> int:
    return place[group[0]] if group else -1


def common_factors(
    first: Sequence[Dim], second: Sequence[Dim]
) -> tuple[list[Dim], Groups, Groups] | None:
    """Factors whose products, consecutive ones each, are the dims of either list; with the numbers
    of the factors of each dim. None where a dim of one list and one of the other share a part."""
    factors: list[Dim] = []
    groups: tuple[Groups, Groups] = ([[] for _ in first], [[] for _ in second])
    dims, at = ([*first], [*second]), [0, 0]
    while at[0] < len(first) and at[1] < len(second):
        a, b = dims[0][at[0]], dims[1][at[1]]
        factor = _shared(a, b)
        if factor is None:
            return None
        if factor != 1 or not factors:
            for side in (0, 1):
                groups[side][at[side]].append(len(factors))
            factors.append(factor)
        for side, dim in ((0, a), (1, b)):
            if dim == factor:
                at[side] += 1
            else:
                dims[side][at[side]] = dim // factor
    rest = [*dims[0][at[0] :], *dims[1][at[1] :]]
    return (factors, *groups) if all(dim == 1 for dim in rest) else None


def _shared(a: Dim, b: Dim) -> Dim | None:
    """The dim that divides the other one, None when neither does."""
    if a == b:
        return a
    if not (isinstance(a, int) and isinstance(b, int)) or 0 in (a, b):
        return 1 if 1 in (a, b) else None
    small = min(a, b)
    return small if max(a, b) % small == 0 else None


RULES: tuple[type[Pattern], ...] = (
    DropTranspose,
    MergeTransposes,
    TransposeToReshape,
    MergeTransposesAroundReshape,
    TransposeBeforeReshape,
)
