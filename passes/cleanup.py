"""The cleanups as one bounded fixpoint."""

from __future__ import annotations

from dataclasses import dataclass

from edgec.ir import Graph, Rewriter
from edgec.passes.base import Pass
from edgec.passes.canonicalize import Canonicalize
from edgec.passes.dce import DeadCodeElimination
from edgec.passes.fold import Fold
from edgec.passes.promise import Exact


@dataclass(frozen=True)
class Cleanup(Pass):
    """fold, canonicalize and dce, until nothing changes (at most ``rounds`` times)."""

    name = "cleanup"
    promise = Exact()

    rounds: int = 4
    max_growth: int = 1 << 20

    def run(self, graph: Graph, rw: Rewriter) -> None:
        for _ in range(self.rounds):
            version = graph.version
            for one in (Fold(self.max_growth), Canonicalize(), DeadCodeElimination()):
                one.run(graph, rw)
            if graph.version == version:
                return
