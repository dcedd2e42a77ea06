"""The model from before anything was lost, which the layers of what became of it are fitted to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgec.ir import Graph, Op
from edgec.kernels import PerSample
from edgec.passes.reconstruct.lockstep import name_results
from edgec.passes.reconstruct.patches import result_axis

Indices: TypeAlias = NDArray[np.int64]


@dataclass
class Teacher:
    """A clone of the original, whose layers are told by the names of their results.

    Attributes:
        graph: never changed.
        kept: by name of a layer's result, which of its channels are left; all where it is not
            listed.
    """

    graph: Graph
    kept: dict[str, Indices] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: Graph) -> Teacher:
        """What ``graph`` is now; it gets a name of its own for every result."""
        name_results(graph)
        return cls(graph.clone())

    def lose(self, left: Mapping[str, Indices]) -> None:
        """Of the channels that were left, only these still are."""
        for name, indices in left.items():
            self.kept[name] = self.kept[name][indices] if name in self.kept else indices

    def wanted(self, op: Op, results: PerSample) -> PerSample:
        """Of what the layer's twin gave, the channels that the layer still has."""
        kept = self.kept.get(op.result.hint)
        if kept is None:
            return results
        axis = result_axis(op, op.results[0].type.rank)
        return PerSample(len(results), lambda index: np.take(results.of(index), kept, axis))
