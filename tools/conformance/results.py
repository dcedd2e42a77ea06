"""All columns of a case in one row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgec.tools.conformance.cases import Case
from edgec.tools.conformance.columns import (
    Outcome,
    onnxruntime_original,
    onnxruntime_written,
    reference,
)
from edgec.tools.conformance.scope import BEYOND, scope

AS_READ, OPTIMIZED = "as read", "optimized"
ORIGINAL, WRITTEN = "onnxruntime, original", "onnxruntime, written by us"


@dataclass(frozen=True)
class Result:
    """What became of a case.

    Attributes:
        operator: that a node case is about.
        scope: what it asks for (``scope.py``).
        outcomes: by column.
    """

    name: str
    kind: str
    operator: str
    scope: str
    outcomes: Mapping[str, Outcome]

    def passes(self, column: str) -> bool:
        return column in self.outcomes and self.outcomes[column].status == "pass"

    @property
    def refused(self) -> bool:
        return self.outcomes[AS_READ].status == "refused"

    @property
    def failures(self) -> Sequence[tuple[str, Outcome]]:
        """Columns of ours with a wrong answer, or a refusal of what we should run."""
        ours = [(name, self.outcomes[name]) for name in self.outcomes if name != ORIGINAL]
        may_refuse = self.scope in BEYOND
        return [
            (name, outcome)
            for name, outcome in ours
            if outcome.status == "wrong" or (outcome.status == "refused" and not may_refuse)
        ]


def run_case(case: Case, with_onnxruntime: bool) -> Result:
    """A case in all columns. ONNX Runtime is asked about what the kernels run, and about what we
    write where it passes the original."""
    outcomes = {AS_READ: reference(case, "O0"), OPTIMIZED: reference(case, "O2")}
    if with_onnxruntime and outcomes[AS_READ].status == "pass":
        outcomes[ORIGINAL] = onnxruntime_original(case)
        if outcomes[ORIGINAL].status == "pass":
            outcomes[WRITTEN] = onnxruntime_written(case)
    return Result(case.name, case.kind, case.op, scope(case), outcomes)


def with_operators(results: Sequence[Result]) -> list[Result]:
    """A case that runs the expanded body of an operator's function counts for that operator."""
    named = {result.name: result.operator for result in results}
    return [
        replace(result, operator=named.get(result.name.partition("_expanded")[0], result.operator))
        for result in results
    ]
