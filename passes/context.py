"""What the manager lends to the pass that is running: statistics to fill, and fuel to spend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from edgec.ir import Graph, Op, Rewriter
from edgec.passes.base import Pass
from edgec.passes.driver import Statistics, apply_patterns
from edgec.passes.pattern import Pattern


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


@dataclass
class PassContext:
    """Lent to a running pass."""

    statistics: Statistics = field(default_factory=Statistics)
    fuel: Fuel = field(default_factory=lambda: Fuel(None))


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
    """A pass that consists of patterns, applied until none matches."""

    def patterns(self) -> Sequence[Pattern]:
        """The rules, tried in this order at each op."""
        raise NotImplementedError

    def run(self, graph: Graph, rw: Rewriter) -> None:
        context = current()
        apply_patterns(graph, self.patterns(), context.statistics, context.fuel.spend)
