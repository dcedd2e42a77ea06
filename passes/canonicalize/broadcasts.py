"""Expanding, tiling and padding by nothing, or for readers that broadcast by themselves."""

from __future__ import annotations

from edgec.ir import Op, Rewriter, Value, op_classes
from edgec.ir.ops import Binary, Expand, Pad, Tile, Where
from edgec.passes.canonicalize.common import Drop, all_ints, broadcast_dims
from edgec.passes.pattern import ANY, CARRY, ELSEWHERE, Match, Pattern, loose, maybe, node, var

_BROADCASTING = tuple(
    cls for cls in op_classes().values() if issubclass(cls, Binary) or cls is Where
)


class DropExpand(Drop):
    """expand(x, dims that x has) -> x"""

    match = node(Expand, var("x"), ANY) @ "expand"

    def check(self, m: Match) -> str | None:
        return None if m.expand.result.type.dims == m.x.type.dims else ELSEWHERE


class MergeExpands(Pattern):
    """expand(expand(x, s), t) -> expand(x, t)  when t alone gives the dims"""

    match = node(Expand, node(Expand, var("x"), ANY, shared=True), var("shape")) @ "outer"

    def check(self, m: Match) -> str | None:
        merged = Expand(m.x, m.shape).result.type.dims
        if merged != m.outer.result.type.dims:
            return "the second shape alone gives other dims"
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        made: Op = m.outer.copy(x=m.x)
        return rw.add(made).result


class DropExpandOfOperand(Pattern):
    """expand(x, s) op y -> x op y  when op broadcasts to the same dims"""

    match = loose(_BROADCASTING) @ "op"

    def check(self, m: Match) -> str | None:
        if not any(map(_expand_of, m.op.operands)):
            return ELSEWHERE
        return None if self._without(m.op) else "the other operands do not give the same dims"

    def build(self, m: Match, rw: Rewriter) -> Value:
        made: Op = m.op.copy(operands=self._without(m.op))
        return rw.add(made).result

    @staticmethod
    def _without(op: Op) -> list[Value] | None:
        """The operands with the first superfluous expand left out, None when none is."""
        operands = list(op.present_operands)
        for index, value in enumerate(operands):
            expand = _expand_of(value)
            if expand is None:
                continue
            changed = [*operands[:index], expand.x, *operands[index + 1 :]]
            if broadcast_dims(v.type.dims for v in changed) == op.result.type.dims:
                return changed
        return None


def _expand_of(value: Value | None) -> Expand | None:
    producer = None if value is None else value.producer
    return producer if isinstance(producer, Expand) else None


class DropTile(Drop):
    """tile(x, [1, 1, …]) -> x"""

    match = node(Tile, var("x"), var("repeats"))

    def check(self, m: Match) -> str | None:
        return None if all_ints(m.repeats, 1) else ELSEWHERE


class DropPad(Drop):
    """pad(x, [0, 0, …]) -> x"""

    match = node(Pad, var("x"), var("pads"), maybe(ANY), attrs=CARRY)

    def check(self, m: Match) -> str | None:
        return None if all_ints(m.pads, 0) else ELSEWHERE


RULES: tuple[type[Pattern], ...] = (
    DropExpand,
    MergeExpands,
    DropExpandOfOperand,
    DropTile,
    DropPad,
)
