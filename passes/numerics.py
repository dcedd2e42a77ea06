"""Holding a pass to its promise: the reference kernels run the graph before and after it."""

from __future__ import annotations

from collections.abc import Mapping

from edgec.ir import Array, Code, Error, Finding, Graph
from edgec.kernels import Comparison, Executor, Judge, seeded_inputs
from edgec.passes.base import Pass
from edgec.passes.promise import Anew, Close, Exact, Lossy


class NumericJudge:
    """Compares the outputs after each pass with those before it, on one set of seeded inputs.

    Args:
        graph: before the first pass.
        shapes: values of dimension symbols.
        seed: of the inputs.
    """

    def __init__(self, graph: Graph, shapes: Mapping[str, int], seed: int) -> None:
        self.shapes, self.seed = shapes, seed
        self._begin_at(graph.clone())

    def _begin_at(self, graph: Graph) -> None:
        self.inputs = seeded_inputs(graph, seed=self.seed, shapes=self.shapes)
        self.before = graph

    def __call__(self, graph: Graph, one: Pass) -> str:
        """One line for the report.

        Raises:
            Error: of kind PASS, when an output leaves what the pass promises.
        """
        after = graph.clone()
        if isinstance(one.promise, Anew):
            self._begin_at(after)
            return f"{one.promise}: compared from here on"
        actual = Executor(after).run({name: self.inputs[name] for name in after.input_names})
        factor = one.promise.ulp if isinstance(one.promise, Close) else 1.0
        judge = Judge(
            self.before,
            self._given(self.before),
            factor=factor,
            exact=isinstance(one.promise, Exact),
        )
        compared = {name: judge.compare(name, actual[name]) for name in judge.expected}
        findings = [f for name, c in compared.items() for f in _broken(name, c, one)]
        if findings:
            raise Error(
                Code.PROMISE,
                f"pass {one.name!r} breaks its promise ({one.promise})",
                findings,
                instead=f"edgec bisect names the rewrite of {one.name!r} that does it, and edgec "
                "reduce shrinks the model around it",
            )
        self.before = after
        worst = max((comparison.normwise for comparison in compared.values()), default=0.0)
        return f"{one.promise}, largest difference {worst:.1e}"

    def _given(self, graph: Graph) -> dict[str, Array]:
        return {name: self.inputs[name] for name in graph.input_names}


def _broken(name: str, comparison: Comparison, one: Pass) -> list[Finding]:
    """What of the promise an output breaks."""
    where = f"output {name!r}"
    if not isinstance(one.promise, Lossy):
        return [] if comparison else [Finding(str(comparison), where)]
    if comparison.sqnr_db >= one.promise.budget:
        return []
    return [Finding(f"{comparison.sqnr_db:.1f} dB SQNR", where)]
