"""Transposes that do nothing, follow each other, or move no element."""

from __future__ import annotations

from edgec.ir import Op, Rewriter, Value
from edgec.ir.ops import Reshape, Transpose
from edgec.passes.canonicalize.common import Drop
from edgec.passes.pattern import CARRY, ELSEWHERE, Match, Pattern, node, var


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


RULES: tuple[type[Pattern], ...] = (DropTranspose, MergeTransposes, TransposeToReshape)
