"""The first pass that breaks a check, and the first of its rewrites that does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgec.ir import Code, Error, Graph, verify
from edgec.passes import NumericJudge, Pass, PassManager, Settings, Steps, run_limited
from edgec.tools.bisect.search import first_broken, gallop
from edgec.tools.checks import Check
from edgec.tools.textdiff import layers_between, text_diff

QUANTIZE = "quantize"  # what runs after it is lent the graph from before it


@dataclass(frozen=True)
class Culprit:
    """The rewrite that breaks a check.

    Attributes:
        index: of the pass in the pipeline.
        one: the pass.
        rule: the rule that made it, or what the edit was.
        start: the graph before the pass.
        before, after: the graph before and after that one rewrite.
        why: what the check said.
        number: of the rewrite within the pass, from 1, as ``--rewrite-limit`` counts; None where
            the pass spends no fuel.
        edit: of the edit within such a pass, from 1; None for a pass that can only be taken whole.
    """

    index: int
    one: Pass
    rule: str
    start: Graph
    before: Graph
    after: Graph
    why: str
    number: int | None = None
    edit: int | None = None

    @property
    def layers(self) -> tuple[str, ...]:
        """The source layers that it touched."""
        return layers_between(self.before, self.after)

    @property
    def diff(self) -> str:
        return text_diff(self.before, self.after)


def bisect_passes(
    graph: Graph,
    passes: Sequence[Pass],
    check: Check | None = None,
    settings: Settings | None = None,
) -> Culprit | None:
    """The rewrite that breaks the check; None when the whole pipeline passes it.

    Args:
        check: of the graph after some passes; each pass's own promise about numbers when None.

    Raises:
        Error: the check fails before any pass has run.
    """
    walk = _Walk(graph, passes, check, settings or Settings())
    index = walk.first_bad_pass()
    return None if index is None else walk.within(index)


class _Walk:
    """A pipeline with the graphs between its passes."""

    def __init__(
        self, graph: Graph, passes: Sequence[Pass], check: Check | None, settings: Settings
    ) -> None:
        self.passes = passes
        self.check = check
        self.settings = replace(settings, check_numerics=False, rewrite_limit=None, repro=None)
        self.states = [graph.clone()]
        self.reference: Graph | None = settings.reference

    # -- passes -----------------------------------------------------------------------------------

    def first_bad_pass(self) -> int | None:
        if self.check is None:
            return next((i for i in range(len(self.passes)) if self.why_broken(i)), None)
        first = self.check(self.states[0])
        if not first.ok:
            raise Error(
                Code.NOTHING_TO_FIND,
                f"the check fails before any pass has run: {first.message}",
                instead="edgec reduce shrinks such a model; "
                "edgec bisect -t TARGET finds what its lowering gets wrong",
            )
        if self.why_broken(len(self.passes) - 1) is None:
            return None
        return first_broken(lambda count: bool(self.why_broken(count - 1)), 0, len(self.passes)) - 1

    def why_broken(self, index: int) -> str | None:
        """What is wrong after that pass, None when nothing is."""
        try:
            after = self.state(index + 1)
        except Error as error:
            return _told(error)
        return self.complaint(index, after)

    def state(self, count: int) -> Graph:
        """The graph after so many passes. Raises Error when one fails."""
        while len(self.states) <= count:
            index = len(self.states) - 1
            one = self.passes[index]
            if one.name.startswith(QUANTIZE) and self.reference is None:
                self.reference = self.states[-1]
            graph = self.states[-1].clone()
            PassManager([one], replace(self.settings_of(), verify_each=True)).run(graph)
            self.states.append(graph)
        return self.states[count]

    def settings_of(self) -> Settings:
        return replace(self.settings, reference=self.reference)

    def complaint(self, index: int, after: Graph) -> str | None:
        """What the check says of the graph after (a part of) that pass."""
        if self.check is not None:
            verdict = self.check(after)
            return None if verdict.ok else verdict.message
        judge = NumericJudge(self.states[index], self.settings.shapes, self.settings.seed)
        try:
            judge(after, self.passes[index])
        except Error as error:
            return _told(error)
        return None

    # -- rewrites ---------------------------------------------------------------------------------

    def within(self, index: int) -> Culprit:
        """The first rewrite of a pass that breaks the check: by fuel, else by single edits."""
        whole = self.attempt(index)
        untouched = _Attempt(self.states[index], Steps(0, 0, "", ""), None)
        if whole.why is None:  # the pass as a whole is refused: by its needs, or by what it gives
            why = self.why_broken(index) or ""
            return self.culprit(index, untouched, replace(whole, why=why))
        if self.attempt(index, rewrites=0).why is None:
            number = gallop(lambda n: self.attempt(index, rewrites=n).why is not None)
            before, after = (self.attempt(index, rewrites=n) for n in (number - 1, number))
            return replace(self.culprit(index, before, after), number=number)
        if self.attempt(index, rewrites=0, edits=0).why is None:
            edit = gallop(lambda n: self.attempt(index, rewrites=0, edits=n).why is not None)
            before, after = (self.attempt(index, rewrites=0, edits=n) for n in (edit - 1, edit))
            return replace(self.culprit(index, before, after), edit=edit)
        return self.culprit(index, untouched, whole)

    def culprit(self, index: int, before: _Attempt, after: _Attempt) -> Culprit:
        one, steps = self.passes[index], after.steps
        rule = (steps.last_rewrite if steps.rewrites else steps.last_edit) or one.name
        why = after.why or ""
        return Culprit(index, one, rule, self.states[index], before.graph, after.graph, why)

    def attempt(self, index: int, **limits: int) -> _Attempt:
        """Run a part of a pass, and check what it leaves."""
        graph = self.states[index].clone()
        one = self.passes[index]
        try:
            steps = run_limited(one, graph, self.settings_of(), **limits)
        except Error as error:
            return _Attempt(graph, Steps(0, 0, "", ""), _told(error))
        try:
            verify(graph, after=one.name)
        except Error as error:
            half_done = "edits" in limits  # what a single edit leaves may still be incomplete
            return _Attempt(graph, steps, None if half_done else _told(error))
        return _Attempt(graph, steps, self.complaint(index, graph))


@dataclass(frozen=True)
class _Attempt:
    graph: Graph
    steps: Steps
    why: str | None


def _told(error: Error) -> str:
    """An error without its advice, which is to bisect."""
    return "\n".join([error.message, *(f"  {finding}" for finding in error.findings)])
