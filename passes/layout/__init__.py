"""Which op runs in which layout: solved exactly, as a minimum cut."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgec.ir import Code, Error, Graph, LayoutCosts, Rewriter, layout_costs_of
from edgec.passes.base import Pass
from edgec.passes.context import current
from edgec.passes.driver import Statistics
from edgec.passes.layout.forms import LAYOUT_NAMES
from edgec.passes.layout.problem import Problem
from edgec.passes.layout.propagate import Spread
from edgec.passes.layout.reasons import remaining
from edgec.passes.layout.turn import Turner
from edgec.passes.pattern import Miss
from edgec.passes.promise import Close


@dataclass(frozen=True)
class Layout(Pass):
    """Choose a layout for each op, so that the transposes that remain move the fewest bytes.

    ``to`` names the layout that layout-sensitive ops must have, auto leaves them free. Inputs and
    outputs keep their layout; with ``io=free`` transposes of them cost nothing, for a target that
    takes and gives them turned. ``target`` names whose costs of ops count, and whose layout where
    it runs in one only and ``to`` is auto.
    """

    name = "layout"
    promise = Close(ulp=1)  # sums over axes are taken in another order

    to: str = "auto"
    io: str = "keep"
    target: str = ""

    def __post_init__(self) -> None:
        if self.to not in (*LAYOUT_NAMES, "auto"):
            raise Error(Code.OPTION, f"layout{{to={self.to}}} is none",
                        instead="to=nhwc, to=nchw, or to=auto")  # fmt: skip
        if self.io not in ("keep", "free"):
            raise Error(Code.OPTION, f"layout{{io={self.io}}} is none", instead="io=keep, io=free")

    def run(self, graph: Graph, rw: Rewriter) -> None:
        costs = self._costs()
        for part in tuple(graph.graphs):
            if current().fuel.spend(self.name, part.terminator):
                _settle(part, costs, rw, current().statistics, self.io == "free")

    def _costs(self) -> LayoutCosts:
        """Those of the target, in the layout that is asked for.

        Raises:
            Error: there is no such target, or it does not run in that layout.
        """
        costs = layout_costs_of(self.target) if self.target else LayoutCosts()
        if self.to == "auto":
            return costs
        if costs.required not in (None, self.to):
            raise Error(Code.OPTION, f"{self.target} runs in {costs.required} only, not {self.to}",
                        instead=f"to={costs.required}, or to=auto")  # fmt: skip
        return replace(costs, required=self.to)


def _settle(
    graph: Graph, costs: LayoutCosts, rw: Rewriter, statistics: Statistics, io_free: bool
) -> None:
    spread = Spread(graph)
    problem = Problem(spread, costs, io_free=io_free and graph.parent is None)
    labels = problem.cut.solve()
    turner = Turner(problem, problem.decision(labels), rw)
    turner.run()
    statistics.moves += remaining(turner, labels)
    if turner.turned:
        statistics.applied["Turn"] += turner.turned
    for op, reason in spread.refusals.items():
        statistics.missed("Turn", Miss(reason, near=True), op)


__all__ = ["Layout"]
