"""Reshapes that do nothing, follow each other, or state at run time what is known before."""

from __future__ import annotations

from edgec.ir import Dim, Op, Rewriter, Value, contents
from edgec.ir.ops import Reshape, expressible
from edgec.passes.canonicalize.common import Drop
from edgec.passes.pattern import ANY, CARRY, ELSEWHERE, Match, Pattern, maybe, node, var


class DropReshape(Drop):
    """reshape(x, to = dims of x) -> x"""

    match = node(Reshape, var("x"), maybe(ANY), attrs=CARRY) @ "reshape"

    def check(self, m: Match) -> str | None:
        return None if m.reshape.result.type.dims == m.x.type.dims else ELSEWHERE


class ReshapeToKnownDims(Pattern):
    """reshape(x, shape) -> reshape(x, to = elements of shape)  where these follow from x"""

    match = node(Reshape, var("x"), var("shape")) @ "reshape"

    def check(self, m: Match) -> str | None:
        if contents(m.shape) is None:
            return "the shape is computed at run time"
        if not expressible(m.x.type.dims, self._dims(m)):
            return "the dims do not follow from those of x"
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        made: Op = m.reshape.copy(shape=None, to=self._dims(m))
        return rw.add(made).result

    @staticmethod
    def _dims(m: Match) -> tuple[Dim, ...]:
        """The elements of shape, what is left over in place of -1."""
        known = contents(m.shape)
        assert known is not None
        own = m.reshape.result.type.dims
        return tuple(own[i] if dim == -1 else dim for i, dim in enumerate(known))


class MergeReshapes(Pattern):
    """reshape(reshape(x, …), to) -> reshape(x, to)"""

    match = (
        node(
            Reshape,
            node(Reshape, var("x"), maybe(ANY), attrs=CARRY, shared=True),
            maybe(ANY),
            attrs=CARRY,
        )
        @ "outer"
    )

    def check(self, m: Match) -> str | None:
        to = m.outer.to
        if to is not None and not expressible(m.x.type.dims, to):
            return "the dims do not follow from those before the first reshape"
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        made: Op = m.outer.copy(x=m.x)
        return rw.add(made).result


RULES: tuple[type[Pattern], ...] = (DropReshape, MergeReshapes, ReshapeToKnownDims)
