"""Running a graph op by op over several samples at once, with the graph open to change between.

What calibrates or repairs a layer from data (bias correction, learned rounding, reconstruction)
needs what enters the layer and may then change its weights: the layers behind it must see the
change. Going forward op by op, with all samples at each op, does this in one pass over the graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgec.ir import Array, Constant, Graph, Op, Value
from edgec.kernels.dataset import Sample
from edgec.kernels.executor import Executor


class Stepwise:
    """Samples on their way through a graph.

    Constants may be exchanged for others while this runs; no op may be added or removed.

    Args:
        graph: a verified graph.
        samples: arrays by input name; all of them, and what the layers compute from them until its
            last reader, are held in memory.
    """

    def __init__(self, graph: Graph, samples: Sequence[Sample], *, threads: int = 1) -> None:
        self.graph = graph
        self._executor = Executor(graph, threads=threads)
        names = graph.input_names
        self._runs = [self._executor.begin({n: sample[n] for n in names}) for sample in samples]

    def ops(self) -> Iterator[Op]:
        """The ops in order, each computed when it is given. What it was the last to read is dropped
        when the next one is asked for."""
        for op in self.graph.ops:
            self.compute(op)
            yield op
            for run in self._runs:
                run.drop_after(op)

    def arrays(self, value: Value) -> list[Array]:
        """One array per sample, of a constant or of a value that was computed and is still read."""
        if isinstance(value, Constant):
            return [value.array] * len(self._runs)
        return [run.read(value) for run in self._runs]

    def compute(self, op: Op) -> None:
        """Compute an op from what it reads: also again, when one of its constants has changed."""
        with self._executor.limited():
            for run in self._runs:
                run.compute(op)

    def evaluate(self, op: Op) -> list[Array]:
        """The first result of an op beside the graph, which reads values of it, per sample."""
        with self._executor.limited():
            return [run.evaluate(op) for run in self._runs]
