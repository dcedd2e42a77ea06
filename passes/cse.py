"""Common-subexpression elimination."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from edgec.ir import Constant, Effect, Graph, Op, Rewriter
from edgec.passes.base import Pass
from edgec.passes.pattern import same_constant
from edgec.passes.promise import Exact


@dataclass(frozen=True)
class CommonSubexpressions(Pass):
    """Compute equal things once: same op, attributes and operands (constants by their bytes).

    An op inside a region is also merged with an equal one outside, which dominates it.
    """

    name = "cse"
    promise = Exact()

    def run(self, graph: Graph, rw: Rewriter) -> None:
        self._run(graph, rw, [])

    def _run(self, graph: Graph, rw: Rewriter, outer: list[dict[Hashable, list[Op]]]) -> None:
        seen: dict[Hashable, list[Op]] = {}
        scopes = [*outer, seen]
        for op in graph.ops:
            for region in op.regions:
                self._run(region, rw, scopes)
            if op.regions or op.has(Effect):
                continue
            key = _key(op)
            known = _find(op, key, scopes)
            if known is None:
                seen.setdefault(key, []).append(op)
            else:
                rw.replace(op, *known.results)


def _key(op: Op) -> Hashable:
    """Equal for equal ops; constants only by type, so that no large weight is hashed in vain, and
    attributes by their text, which tells 0.0 from -0.0."""
    operands = tuple(value.type if isinstance(value, Constant) else value for value in op.operands)
    return (
        type(op),
        tuple(sorted((name, repr(value)) for name, value in op.attributes.items())),
        operands,
        op.results[0].type,
    )


def _find(op: Op, key: Hashable, scopes: list[dict[Hashable, list[Op]]]) -> Op | None:
    for scope in scopes:
        for candidate in scope.get(key, ()):
            if all(map(_same_operand, op.operands, candidate.operands)):
                return candidate
    return None


def _same_operand(a: object, b: object) -> bool:
    if isinstance(a, Constant) and isinstance(b, Constant):
        return a is b or same_constant(a, b)
    return a is b
