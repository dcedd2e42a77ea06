"""Running passes in order, and watching them: time, statistics, text, invariants, numbers."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgec.ir import (
    Error,
    Finding,
    Graph,
    IllegalRewrite,
    Kind,
    OpError,
    Rewriter,
    print_graph,
    save_text,
    verify,
)
from edgec.ir.collector import collector_paused
from edgec.passes.base import Pass
from edgec.passes.context import Fuel, PassContext, using
from edgec.passes.driver import Statistics


@dataclass(frozen=True)
class Settings:
    """How closely to watch.

    Attributes:
        verify_each: run the verifier after every pass that changed something.
        check_numerics: hold every pass to its promise on seeded inputs.
        print_after: 'none', 'changed' or 'all'.
        rewrite_limit: stop after that many rewrites, for bisection; None for no limit.
        save_ir: a folder that gets the graph after every pass as .eir.
        repro: where to write the reproducer when a pass fails; None for nowhere.
        shapes: values of dimension symbols for the numeric check.
        seed: of the inputs of the numeric check.
    """

    verify_each: bool = False
    check_numerics: bool = False
    print_after: str = "none"
    rewrite_limit: int | None = None
    save_ir: Path | None = None
    repro: Path | None = None
    shapes: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True)
class PassReport:
    """What one pass did: seconds, op counts before and after, rules applied, near misses."""

    name: str
    seconds: float
    before: Counter[str]
    after: Counter[str]
    statistics: Statistics
    changed: bool
    numerics: str = ""


class PassManager:
    """Runs a pipeline.

    Args:
        passes: in the order in which they run.
        settings: how closely to watch.
        output: receives what ``print_after`` asks for.
    """

    def __init__(
        self,
        passes: Sequence[Pass],
        settings: Settings | None = None,
        output: Callable[[str], None] = print,
    ) -> None:
        self.passes = tuple(passes)
        self.settings = settings or Settings()
        self.output = output

    def run(self, graph: Graph) -> list[PassReport]:
        """Run every pass on the graph, in place; one report per pass.

        Raises:
            Error: a pass's needs are not met, it failed, it left a malformed graph, or it broke
                its promise. The message names the pass and, where there is one, the reproducer.
        """
        verify(graph)
        fuel = Fuel(self.settings.rewrite_limit)
        judge = self._judge(graph)
        return [self._run_one(graph, index, one, fuel, judge) for index, one in
                enumerate(self.passes)]  # fmt: skip

    def _run_one(
        self, graph: Graph, index: int, one: Pass, fuel: Fuel, judge: _Judge | None
    ) -> PassReport:
        for need in one.needs:
            if not need.holds(graph):
                raise Error(Kind.PASS, f"pass {one.name!r} needs {need}, which does not hold")
        version = graph.version
        before = _histogram(graph)
        original = graph.clone() if self.settings.repro else None
        statistics = Statistics()
        begin = time.perf_counter()
        try:
            with using(PassContext(statistics, fuel)), collector_paused():
                one.run(graph, Rewriter(graph))
        except (Error, OpError, IllegalRewrite, ValueError, KeyError, IndexError, TypeError,
                AttributeError, AssertionError, RecursionError, MemoryError) as error:  # fmt: skip
            raise self._crash(one, index, original, error) from error
        seconds = time.perf_counter() - begin
        changed = graph.version != version
        numerics = self._check(graph, one, changed, judge)
        report = PassReport(one.name, seconds, before, _histogram(graph), statistics, changed,
                            numerics)  # fmt: skip
        self._show(graph, index, report)
        return report

    def _check(self, graph: Graph, one: Pass, changed: bool, judge: _Judge | None) -> str:
        if changed and (self.settings.verify_each or self.settings.check_numerics):
            verify(graph, after=one.name)
        for gift in one.gives:
            if not gift.holds(graph):
                raise Error(Kind.PASS, f"pass {one.name!r} promised {gift}, which does not hold")
        if judge is None or not changed:
            return ""
        return judge(graph, one)

    def _judge(self, graph: Graph) -> _Judge | None:
        if not self.settings.check_numerics:
            return None
        from edgec.passes.numerics import NumericJudge

        return NumericJudge(graph, self.settings.shapes, self.settings.seed)

    def _show(self, graph: Graph, index: int, report: PassReport) -> None:
        wanted = self.settings.print_after
        if wanted == "all" or (wanted == "changed" and report.changed):
            self.output(f"# after {report.name}\n{print_graph(graph, brief=True)}")
        if self.settings.save_ir is not None:
            self.settings.save_ir.mkdir(parents=True, exist_ok=True)
            save_text(graph, self.settings.save_ir / f"{index:02}-{report.name}.eir")

    def _crash(self, one: Pass, index: int, original: Graph | None, error: Exception) -> Error:
        """The error of a pass that failed, with a reproducer: the graph before it, and the pass."""
        where = ""
        if original is not None and self.settings.repro is not None:
            original.metadata["pipeline"] = str(one)
            save_text(original, self.settings.repro)
            where = f"edgec opt {self.settings.repro} -p '{one}'"
        if isinstance(error, Error):
            return Error(error.kind, f"in pass {one.name!r}: {error.message}", error.findings,
                         instead=error.instead or where)  # fmt: skip
        last = traceback.extract_tb(error.__traceback__)[-1]
        finding = Finding(f"{type(error).__name__}: {error}", f"{last.name}, line {last.lineno}")
        return Error(
            Kind.PASS, f"pass {one.name!r} (number {index}) failed", [finding], instead=where
        )


_Judge = Callable[[Graph, Pass], str]


def _histogram(graph: Graph) -> Counter[str]:
    return Counter(op.op_name for op in graph.walk)
