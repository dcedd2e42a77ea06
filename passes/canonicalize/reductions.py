"""Reductions over nothing, and reshapes that only bring reduced axes back or drop them."""

from __future__ import annotations

from edgec.ir import Op, Rewriter, Value
from edgec.ir.ops import Reduce, ReduceMax, ReduceMean, ReduceMin, ReduceProd, ReduceSum, Reshape
from edgec.passes.pattern import CARRY, ELSEWHERE, Match, Pattern, loose, node

_OF_ONE = (ReduceSum, ReduceMean, ReduceMax, ReduceMin, ReduceProd)  # each of one number is itself
_REDUCTIONS = tuple(Reduce.__subclasses__())


class DropReduce(Pattern):
    """mean(x, axes) -> reshape(x)  when the reduced dims are 1; likewise sum, max, min, prod"""

    match = loose(_OF_ONE) @ "reduce"

    def check(self, m: Match) -> str | None:
        dims = m.reduce.x.type.dims
        return None if all(dims[axis] == 1 for axis in m.reduce.axes) else ELSEWHERE

    def build(self, m: Match, rw: Rewriter) -> Value:
        return rw.add(Reshape(m.reduce.x, to=m.reduce.result.type.dims)).result


class KeepReducedDims(Pattern):
    """reshape(mean(x, keepdims=false)) -> mean(x)  when the reshape puts the reduced axes back"""

    match = node(Reshape, loose(_REDUCTIONS) @ "reduce", attrs=CARRY) @ "reshape"

    def check(self, m: Match) -> str | None:
        if m.reduce.keepdims:
            return ELSEWHERE
        kept = m.reduce.copy(keepdims=True).result.type.dims
        return None if kept == m.reshape.result.type.dims else ELSEWHERE

    def build(self, m: Match, rw: Rewriter) -> Value:
        made: Op = m.reduce.copy(keepdims=True)
        return rw.add(made).result


RULES: tuple[type[Pattern], ...] = (DropReduce, KeepReducedDims)
