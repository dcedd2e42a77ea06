"""Dead-code elimination."""

from __future__ import annotations

from dataclasses import dataclass

from edgec.ir import Effect, Graph, Rewriter
from edgec.passes.base import Pass
from edgec.passes.promise import Exact


@dataclass(frozen=True)
class DeadCodeElimination(Pass):
    """Remove every op whose results nobody reads."""

    name = "dce"
    promise = Exact()

    def run(self, graph: Graph, rw: Rewriter) -> None:
        for op in reversed(tuple(graph.ops)):
            for region in op.regions:
                self.run(region, rw)
            if not any(result.is_used for result in op.results) and not op.has(Effect):
                rw.erase(op)
