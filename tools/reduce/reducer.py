"""Shrinking a graph while a check keeps failing in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from edgec.ir import Error, Graph, Op, verify
from edgec.kernels import default_shapes
from edgec.tools.checks import Check, require_failure
from edgec.tools.reduce.change import Change, changed
from edgec.tools.reduce.cut import kept
from edgec.tools.reduce.ddmin import ddmin
from edgec.tools.reduce.steps import CONSTANTS, STEPS

MAX_ROUNDS = 8


@dataclass
class Reduced:
    """What a reduction came to.

    Attributes:
        graph: the smallest graph found.
        failure: how it fails, as the model that came in did.
        message: what the check says of it.
        tried: number of times the check was asked.
        taken: how many changes of each kind were kept.
    """

    graph: Graph
    failure: str
    message: str
    tried: int = 0
    taken: dict[str, int] = field(default_factory=dict)


Note = Callable[[str], None]


def reduce_graph(
    graph: Graph, check: Check, *, max_tries: int = 2000, note: Note = lambda text: None
) -> Reduced:
    """The smallest graph found that fails the check in the same way as this one.

    Every candidate is verified before the check is asked. It goes from coarse to fine: parts of the
    graph first, then single ops, then shapes, weights and attributes, until nothing can go.

    Args:
        max_tries: how often the check is asked at most.
        note: told of progress.

    Raises:
        Error: the check passes on the graph.
    """
    reducer = _Reducer(graph, check, max_tries, note)
    reducer.run()
    return reducer.found


class _Reducer:
    def __init__(self, graph: Graph, check: Check, max_tries: int, note: Note) -> None:
        verify(graph)
        verdict = check(graph)
        require_failure(verdict)
        self.found = Reduced(graph, verdict.failure, verdict.message, tried=1)
        self.check = check
        self.max_tries = max_tries
        self.note = note

    def run(self) -> None:
        self.symbols()
        for _ in range(MAX_ROUNDS):
            graph = self.found.graph
            self.ops()
            for kind, step in STEPS.items():
                self.exhaust(kind, step)
            if self.found.graph is graph or self.spent:
                return

    @property
    def spent(self) -> bool:
        return self.found.tried >= self.max_tries

    def symbols(self) -> None:
        """Numbers in place of symbolic dims."""
        sizes = default_shapes(self.found.graph)
        if not sizes:
            return
        try:
            bound = self.found.graph.clone(dict(sizes))
        except Error:  # sizes that this graph cannot have
            return
        self.take("symbols", bound)

    def ops(self) -> None:
        """The fewest ops; what they read of others becomes inputs."""
        graph = self.found.graph
        ddmin(list(graph.ops), lambda part: self._keep(graph, part))

    def _keep(self, graph: Graph, ops: list[Op]) -> bool:
        smaller = kept(graph, ops)
        return smaller is not None and self.take("ops", smaller)

    def exhaust(self, kind: str, step: Callable[[Graph], Iterator[Change]]) -> None:
        """Take the first change of a kind that still fails, as long as there is one. After a change
        the later ones of the same step are offered for the new graph, not the first ones again."""
        skip = 0
        while not self.spent:
            graph = self.found.graph
            for index, change in enumerate(step(graph)):
                if index < skip:
                    continue
                smaller = changed(graph, change)
                if smaller is None or (kind == CONSTANTS and not smaller.inputs):
                    continue  # a model that reads nothing is folded away by any pass
                if self.take(kind, smaller):
                    skip = index
                    break
            else:
                return

    def take(self, kind: str, smaller: Graph) -> bool:
        """Keep a candidate when the check fails on it as before."""
        if self.spent:
            return False
        self.found.tried += 1
        try:
            verify(smaller)
            verdict = self.check(smaller)
        except Error:  # no legal graph, or one that the check cannot be asked about
            return False
        if verdict.ok or verdict.failure != self.found.failure:
            return False
        self.found.graph, self.found.message = smaller, verdict.message
        self.found.taken[kind] = self.found.taken.get(kind, 0) + 1
        self.note(f"{len(smaller)} ops after {self.found.tried} tries")
        return True
