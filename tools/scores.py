"""Scores that mixed precision may be held to: the share of samples that a graph gets right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from edgec.ir import Array, Error, Graph, Kind
from edgec.kernels import Dataset, Executor, Sample, dataset_of


def accuracy(
    data: Dataset | Iterable[Sample], labels: Sequence[int] | Array
) -> Callable[[Graph], float]:
    """A function that says on how many of the samples, in per cent, a graph's first output has its
    largest element at the label.

    Raises:
        Error: there are not as many labels as samples.
    """
    samples = dataset_of(data)
    if len(samples) != len(labels) or not len(samples):
        raise Error(Kind.USAGE, f"there are {len(labels)} labels for {len(samples)} samples")

    def score(graph: Graph) -> float:
        executor = Executor(graph)
        hits = 0
        for sample, label in zip(samples, labels, strict=True):
            outputs = executor.run({name: sample[name] for name in graph.input_names})
            hits += int(np.argmax(next(iter(outputs.values()))) == label)
        return 100 * hits / len(samples)

    return score


def labels_in(arrays: dict[str, Array], name: str) -> Array:
    """Class numbers from the array of that name. Raises Error when there is none."""
    found = arrays.get(name)
    if found is None or found.ndim != 1 or not np.issubdtype(found.dtype, np.integer):
        raise Error(
            Kind.USAGE,
            f"{name!r} is no array of class numbers",
            instead=f"--labels with one of {sorted(arrays)}",
        )
    return found
