"""Two graphs side by side over the same samples: one that is right, and one that is repaired."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from edgec.ir import Graph, Op
from edgec.kernels import Dataset, Sample, Stepwise


class Lockstep:
    """Goes through the layers of a graph, each with its twin in the reference, both computed.

    Args:
        graph: the one that may change its constants on the way.
        reference: computes what is right.
        twins: for layers of ``graph`` the op of ``reference`` that it should equal; in both graphs
            they come in the same order.
    """

    def __init__(
        self, graph: Graph, reference: Graph, twins: Mapping[Op, Op], samples: Iterable[Sample]
    ) -> None:
        self.twins = twins
        self.own = Stepwise(graph, samples)
        self.right = Stepwise(reference, samples)

    def layers(self) -> Iterator[tuple[Op, Op]]:
        """Each layer that has a twin, and the twin, both computed; what they read and gave can be
        asked of ``own`` and ``right`` until the next one."""
        following = self.right.ops()
        now: Op | None = None
        for op in self.own.ops():
            twin = self.twins.get(op)
            if twin is not None:
                if twin is not now:
                    now = next(other for other in following if other is twin)
                yield op, twin


def twins_of(graph: Graph, reference: Graph, kinds: tuple[type[Op], ...]) -> dict[Op, Op]:
    """The ops of those kinds in ``graph`` whose result has the name of one in ``reference``, of
    the same kind. Names that stand for several values are left out."""
    named: dict[str, Op] = {}
    counts: Counter[str] = Counter()
    for op in reference.ops_of(*kinds):
        named[op.result.hint] = op
        counts[op.result.hint] += 1
    twins: dict[Op, Op] = {}
    last = -1
    order = {op: index for index, op in enumerate(reference.ops)}
    for op in graph.ops_of(*kinds):
        twin = named.get(op.result.hint)
        if twin is None or counts[op.result.hint] > 1 or type(twin) is not type(op):
            continue
        if order[twin] > last:  # else the two graphs do not list them in the same order
            twins[op], last = twin, order[twin]
    return twins


def name_results(graph: Graph) -> None:
    """Give every result a name of its own, so that it can be told in what becomes of the graph."""
    taken: set[str] = set()
    for value in (*graph.inputs, *(result for op in graph.ops for result in op.results)):
        base = value.hint or "value"
        count = 0
        while value.hint in taken or not value.hint:
            count += 1
            value.hint = f"{base}.{count}"
        taken.add(value.hint)


def bare(op: Op) -> Op:
    """The op without the activation that it carries; it is linked into no graph."""
    if "act" not in op.attribute_specs or op.attribute("act") == "none":
        return op
    return op.copy(act="none", act_params=(), types=[result.type for result in op.results])


@dataclass(frozen=True)
class Evenly:
    """Samples spread evenly over data; every iteration takes them from there anew."""

    data: Dataset
    count: int

    @property
    def _step(self) -> int:
        return max(len(self.data) // self.count, 1)

    def __len__(self) -> int:
        return min(self.count, len(range(0, len(self.data), self._step)))

    def __iter__(self) -> Iterator[Sample]:
        return islice(iter(self.data), 0, self.count * self._step, self._step)


def evenly(data: Dataset, count: int) -> Evenly:
    """At most so many samples (all of them where ``count`` is 0)."""
    return Evenly(data, count or max(len(data), 1))
