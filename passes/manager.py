"""Running passes in order, and watching them: time, statistics, text, invariants, numbers."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgec.ir import (
    Code,
    Error,
    Finding,
    Graph,
    IllegalRewrite,
    Kind,
    Rewriter,
    collector_paused,
    print_graph,
    save_text,
    verify,
)
from edgec.kernels import Dataset
from edgec.passes.base import Pass
from edgec.passes.context import Fuel, PassContext, Progress, silent, using
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
        data: sets of inputs that are lent to the passes.
        reference: the float graph that is lent to passes on its quantized form.
        progress: shows how far a pass over the data has come.
        score: what the user judges a graph by, in per cent, lent to passes.
        watch: called after each pass, with the graph as it is then and what passes were lent.
    """

    verify_each: bool = False
    check_numerics: bool = False
    print_after: str = "none"
    rewrite_limit: int | None = None
    save_ir: Path | None = None
    repro: Path | None = None
    shapes: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0
    data: Dataset | None = None
    reference: Graph | None = None
    progress: Progress = silent
    score: Callable[[Graph], float] | None = None
    watch: Callable[[Pass, Graph, PassContext], None] | None = None


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

    def run(self, graph: Graph, *, pristine: Graph | None = None) -> list[PassReport]:
        """Run every pass on the graph, in place; one report per pass.

        Args:
            pristine: the same graph, which nobody changes meanwhile, for the reproducer of a pass
                that fails; a clone is made when there is none.

        Raises:
            Error: a pass's needs are not met, it failed, it left a malformed graph, or it broke
                its promise. The message names the pass and, where there is one, the reproducer.
        """
        verify(graph)
        context = self._context()
        judge = self._judge(graph)
        if pristine is None and self.settings.repro and self.passes:
            pristine = graph.clone()
        reports: list[PassReport] = []
        for index, one in enumerate(self.passes):
            try:
                reports.append(self._run_one(graph, index, one, context, judge))
            except FAILURES as error:
                raise self._failed(index, pristine, error) from error
        return reports

    def _context(self) -> PassContext:
        settings = self.settings
        return PassContext(
            fuel=Fuel(settings.rewrite_limit),
            data=settings.data,
            reference=settings.reference,
            progress=settings.progress,
            score=settings.score,
        )

    def _run_one(
        self, graph: Graph, index: int, one: Pass, context: PassContext, judge: _Judge | None
    ) -> PassReport:
        for need in one.needs:
            if not need.holds(graph):
                raise Error(Code.NEEDS, f"pass {one.name!r} needs {need}, which does not hold")
        version = graph.version
        before = _histogram(graph)
        context.statistics = statistics = Statistics()
        begin = time.perf_counter()
        with using(context), collector_paused():
            one.run(graph, Rewriter(graph))
        seconds = time.perf_counter() - begin
        changed = graph.version != version
        numerics = self._check(graph, one, changed, judge)
        if self.settings.watch is not None:
            self.settings.watch(one, graph, context)
        report = PassReport(
            one.name, seconds, before, _histogram(graph), statistics, changed, numerics
        )
        self._show(graph, index, report)
        return report

    def _check(self, graph: Graph, one: Pass, changed: bool, judge: _Judge | None) -> str:
        if changed and (self.settings.verify_each or self.settings.check_numerics):
            verify(graph, after=one.name)
        for gift in one.gives:
            if not gift.holds(graph):
                raise Error(Code.NEEDS, f"pass {one.name!r} promised {gift}, which does not hold")
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

    def _failed(self, index: int, pristine: Graph | None, error: Exception) -> Error:
        """The error of a pass that failed, with a reproducer: the graph before the first pass, and
        the passes up to this one."""
        one = self.passes[index]
        command = ""
        ours = not isinstance(error, Error) or error.kind not in OF_THE_USER
        if ours and pristine is not None and self.settings.repro is not None:
            command = self._reproducer(pristine, self.settings.repro, index)
        if isinstance(error, Error):
            hints = [error.instead, command and f"to reproduce: {command}"]
            return Error(
                error.code,
                _naming(one, error.message),
                error.findings,
                instead="; ".join(filter(None, hints)),
            )
        last = traceback.extract_tb(error.__traceback__)[-1]
        finding = Finding(f"{type(error).__name__}: {error}", f"{last.name}, line {last.lineno}")
        return Error(
            Kind.PASS, f"pass {one.name!r} (number {index}) failed", [finding], instead=command
        )

    def _reproducer(self, pristine: Graph, path: Path, index: int) -> str:
        """Write the reproducer; returns the command that runs it, which is also its first line."""
        limit = self.settings.rewrite_limit
        command = f"edgec opt {path} -p '{','.join(map(str, self.passes[: index + 1]))}'"
        command += f" --rewrite-limit {limit}" if limit is not None else ""
        command += " --check-numerics" if self.settings.check_numerics else ""
        command += " --verify-each" if self.settings.verify_each else ""
        save_text(pristine, path, comment=command)
        return command


# What is wrong with options or data, which a reproducer would not show.
OF_THE_USER = (Kind.USAGE, Kind.CALIBRATION, Kind.UNSUPPORTED)

# What a pass with a bug raises; memory that runs out is no bug of it.
FAILURES = (
    Error,
    IllegalRewrite,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    RuntimeError,
)
_Judge = Callable[[Graph, Pass], str]


def _naming(one: Pass, message: str) -> str:
    """The message, which says once which pass it is about."""
    named = f"pass {one.name!r}"
    return message if message.startswith(named) else f"in {named}: {message}"


def _histogram(graph: Graph) -> Counter[str]:
    return Counter(op.op_name for op in graph.walk)
