"""Running a graph op by op over several samples at once, with the graph open to change between.

What calibrates or repairs a layer from data (bias correction, learned rounding, reconstruction)
needs what enters the layer and may then change its weights: the layers behind it must see the
change. Going forward op by op, with all samples at each op, does this in one pass over the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from edgec.ir import Array, Constant, Graph, Op, Value
from edgec.kernels.dataset import Sample
from edgec.kernels.executor import Executor
from edgec.kernels.shelf import Shelf

HELD = 256 << 20  # bytes in memory; beyond, files


@dataclass(frozen=True)
class PerSample:
    """One array per sample, fetched or made whenever it is asked for."""

    count: int
    of: Callable[[int], Array]

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Array]:
        return map(self.of, range(self.count))


class Stepwise:
    """Samples on their way through a graph.

    Constants may be exchanged for others while this runs; no op may be added or removed.

    Args:
        graph: a verified graph.
        samples: arrays by input name. They, and what the layers compute from them until its last
            reader, are held in memory up to ``limit`` bytes (by default ``HELD``), and in temporary
            files beyond.
    """

    def __init__(
        self, graph: Graph, samples: Iterable[Sample], *, threads: int = 1, limit: int | None = None
    ) -> None:
        self.graph = graph
        self._executor = Executor(graph, threads=threads)
        names = graph.input_names
        shelf = Shelf(HELD if limit is None else limit)
        self._runs = [
            self._executor.begin({n: sample[n] for n in names}, shelf.sample())
            for sample in samples
        ]
        self._beside: list[Value] = []

    def ops(self) -> Iterator[Op]:
        """The ops in order, each computed when it is given. What it was the last to read is dropped
        when the next one is asked for."""
        for op in self.graph.ops:
            self.compute(op)
            yield op
            for run in self._runs:
                run.drop_after(op)
                run.drop(self._beside)
            self._beside.clear()

    def arrays(self, value: Value) -> PerSample:
        """One array per sample, of a constant or of a value that was computed and is still read."""
        if isinstance(value, Constant):
            return PerSample(len(self._runs), lambda _: value.array)
        return PerSample(len(self._runs), lambda index: self._runs[index].read(value))

    def holds(self, value: Value) -> bool:
        """True for a value that was computed and is still read."""
        return bool(self._runs) and self._runs[0].holds(value)

    def compute(self, op: Op) -> None:
        """Compute an op from what it reads: also again, when one of its constants has changed."""
        with self._executor.limited():
            for run in self._runs:
                run.compute(op)

    def evaluate(self, op: Op) -> PerSample:
        """The first result of an op beside the graph, which reads values of it, per sample; held
        until the next op is asked for."""
        if op.graph is not None:
            op = op.copy(types=[result.type for result in op.results])
        with self._executor.limited():
            for run in self._runs:
                run.evaluate(op)
        self._beside.append(op.results[0])
        return self.arrays(op.results[0])
