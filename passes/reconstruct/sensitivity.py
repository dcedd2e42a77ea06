"""How much of a layer's error reaches the outputs: measured, by disturbing one layer at a time.

What layers lose of their own outputs cannot be compared between layers: a layer that writes into a
large sum loses nothing by an error that ruins another. A layer that was made smaller lacks a part
of what it computed, so the disturbance takes a part of it away: all channels come nearer to their
means. A random mix of the channels says too little of layers whose readers look where the channels
vary most: with it, EfficientNet-Lite0 factorized to 80 % agreed on 59 % of the pictures, and on
70 % with this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from edgec.ir import Array, Graph, Op
from edgec.ir.ops import Conv, ConvTranspose, MatMul
from edgec.kernels import Dataset, Executor
from edgec.passes.reconstruct.lockstep import evenly
from edgec.passes.reconstruct.patches import channel_means, result_axis

SHARE = 0.02  # of the layer's variance that goes
SAMPLES = 4
LEAST = 1e-3  # of the mean: no layer is free to lose everything
SMALLEST = 1e-30


def sensitivities(graph: Graph, layers: Iterable[Op], data: Dataset) -> Mapping[Op, float]:
    """For each layer, the share of the outputs' energy that is wrong per share of the layer's."""
    executor = Executor(graph)
    names = graph.input_names
    samples = [{name: sample[name] for name in names} for sample in evenly(data, SAMPLES)]
    means = _Means()
    right = [executor.run(sample, tap=means) for sample in samples]
    found = {}
    for op in layers:
        tap = _Disturbed(op, means.of(op))
        runs = (executor.run(sample, tap=tap) for sample in samples)
        found[op] = sum(map(_off, runs, right)) / len(samples) / SHARE
    least = LEAST * sum(found.values()) / max(len(found), 1)
    return {op: max(share, least, SMALLEST) for op, share in found.items()}


class _Means:
    """A tap that gathers the mean of each channel of layers over samples and places."""

    def __init__(self) -> None:
        self._sums: dict[Op, list[Array]] = {}

    def __call__(self, op: Op, results: Sequence[Array]) -> None:
        if isinstance(op, Conv | ConvTranspose | MatMul):
            self._sums.setdefault(op, []).append(channel_means(op, results[0]))

    def of(self, op: Op) -> Array:
        return np.asarray(np.mean(self._sums[op], axis=0))


class _Disturbed:
    """A tap that takes away a part of how the channels of one layer vary."""

    def __init__(self, op: Op, means: Array) -> None:
        self._op = op
        self._means = means

    def __call__(self, op: Op, results: Sequence[Array]) -> None:
        if op is self._op:
            (array,) = results
            last = np.moveaxis(array, result_axis(op, array.ndim), -1)
            means = self._means.astype(array.dtype)
            last -= array.dtype.type(np.sqrt(SHARE)) * (last - means)


def _off(found: Mapping[str, Array], right: Mapping[str, Array]) -> float:
    """The share of the outputs' energy that is wrong, the mean over float outputs."""
    shares = []
    for name, array in right.items():
        if array.dtype.kind == "f":
            wrong = float(np.square(found[name] - array, dtype=np.float64).sum())
            shares.append(wrong / max(float(np.square(array, dtype=np.float64).sum()), SMALLEST))
    return float(np.mean(shares)) if shares else 0.0
