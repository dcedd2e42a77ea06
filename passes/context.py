"""What the manager lends to the pass that is running: statistics to fill, fuel to spend, data to
run the graph on, and the float model to compare with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, TypeVar

from edgec.ir import Error, Graph, Kind, Op, Rewriter
from edgec.kernels import Dataset
from edgec.passes.base import Pass
from edgec.passes.driver import Statistics, apply_patterns
from edgec.passes.pattern import Pattern
from edgec.passes.reconstruct import Teacher

T = TypeVar("T")


class Fuel:
    """Rewrites left, None for as many as wanted; shared by all passes of a run."""

    def __init__(self, limit: int | None) -> None:
        self.left = limit
        self.last: tuple[str, str] | None = None

    def spend(self, rule: str, op: Op) -> bool:
        """False when the tank is empty; otherwise remembers the rewrite and takes one."""
        if self.left is not None:
            if self.left <= 0:
                return False
            self.left -= 1
            self.last = (rule, repr(op))
        return True


class Progress(Protocol):
    """Passes items on, and shows how many of ``total`` have gone by."""

    def __call__(self, items: Iterable[T], what: str, total: int) -> Iterable[T]: ...


def silent(items: Iterable[T], what: str, total: int) -> Iterable[T]:
    """The items, without any display."""
    return items


@dataclass
class PassContext:
    """Lent to a running pass; all passes of a run share one.

    Attributes:
        statistics: of the pass that is running.
        fuel: rewrites left for the whole run.
        data: sets of inputs to run the graph on, when the user gave some.
        reference: a clone of the float graph from before ``quantize``, with the same value names.
        teacher: the model from before the first pass that made it smaller.
        progress: shows how far a pass over the data has come.
        score: what the user judges a graph by, in per cent; more is better.
    """

    statistics: Statistics = field(default_factory=Statistics)
    fuel: Fuel = field(default_factory=lambda: Fuel(None))
    data: Dataset | None = None
    reference: Graph | None = None
    teacher: Teacher | None = None
    progress: Progress = silent
    score: Callable[[Graph], float] | None = None

    def require_data(self, why: str) -> Dataset:
        """The data. Raises Error of kind CALIBRATION, which says ``why``, when there are none."""
        if self.data is None:
            raise Error(
                Kind.CALIBRATION,
                f"{why}, and no data were given",
                instead="--calibration DIR|X.npz, or --calibration random to try without any",
            )
        if not len(self.data):
            raise Error(Kind.CALIBRATION, f"{why}, and {self.data.description} holds no samples")
        return self.data


_current: ContextVar[PassContext | None] = ContextVar("edgec_pass_context", default=None)


def current() -> PassContext:
    """The context of the running pass; a fresh one outside any manager."""
    return _current.get() or PassContext()


@contextmanager
def using(context: PassContext) -> Iterator[None]:
    """Let ``current()`` be that context inside the block."""
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)


class PatternPass(Pass):
    """A pass that consists of patterns, applied until none matches.

    Attributes:
        rules: the patterns, tried in this order at each op; or override ``patterns``.
    """

    rules: ClassVar[Sequence[type[Pattern]]] = ()

    def patterns(self) -> Sequence[Pattern]:
        """The rules, tried in this order at each op."""
        return tuple(rule() for rule in self.rules)

    def run(self, graph: Graph, rw: Rewriter) -> None:
        context = current()
        apply_patterns(graph, self.patterns(), context.statistics, context.fuel.spend)
