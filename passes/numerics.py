"""Holding a pass to its promise: the reference kernels run the graph before and after it."""

from __future__ import annotations

from collections.abc import Mapping

from edgec.ir import Array, Error, Finding, Graph, Kind
from edgec.kernels import EXACT, Executor, Tolerance, compare, seeded_inputs, tolerance_of
from edgec.passes.base import Pass
from edgec.passes.promise import Close, Exact, Lossy


class NumericJudge:
    """Compares the outputs after each pass with those before it, on one set of seeded inputs.

    Args:
        graph: before the first pass.
        shapes: values of dimension symbols.
        seed: of the inputs.
    """

    def __init__(self, graph: Graph, shapes: Mapping[str, int], seed: int) -> None:
        self.inputs: dict[str, Array] = seeded_inputs(graph, seed=seed, shapes=shapes)
        self.expected = Executor(graph.clone()).run(self.inputs)
        self.original = self.expected

    def __call__(self, graph: Graph, one: Pass) -> str:
        """One line for the report.

        Raises:
            Error: of kind PASS, when an output leaves what the pass promises.
        """
        actual = Executor(graph.clone()).run({n: self.inputs[n] for n in graph.input_names})
        worst = 0.0
        findings: list[Finding] = []
        for name, expected in self.expected.items():
            comparison = compare(actual[name], expected, self._tolerance(graph, one))
            worst = max(worst, comparison.normwise)
            if isinstance(one.promise, Lossy):
                if comparison.sqnr_db < one.promise.budget:
                    findings.append(Finding(f"{comparison.sqnr_db:.1f} dB SQNR", f"output {name!r}"))
            elif not comparison:
                findings.append(Finding(str(comparison), f"output {name!r}"))
        if findings:
            raise Error(
                Kind.PASS, f"pass {one.name!r} breaks its promise ({one.promise})", findings,
                instead=f"edgec bisect, or look at what {one.name!r} rewrote with "
                "--print-after=changed",
            )  # fmt: skip
        self.expected = actual
        return f"{one.promise}, largest difference {worst:.1e}"

    @staticmethod
    def _tolerance(graph: Graph, one: Pass) -> Tolerance:
        if isinstance(one.promise, Exact):
            return EXACT
        factor = one.promise.ulp if isinstance(one.promise, Close) else 1.0
        return tolerance_of(graph, factor)
