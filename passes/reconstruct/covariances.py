"""Covariances of the channels of values, gathered in one run over the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgec.ir import Array, Op, Value
from edgec.kernels import Dataset, Executor
from edgec.passes.reconstruct.lockstep import evenly

LEAST_VARIANCE = 1e-3  # of the mean variance, for channels that never change
LEAST_DRAWN = 0.01
SMALLEST = 1e-30


class Covariances:
    """Covariances of the channels of values, over places of all samples."""

    def __init__(self, axes: Mapping[Value, int], places: int) -> None:
        self._axes = axes
        self._places = places
        self._count: dict[Value, int] = {}
        self._sum: dict[Value, Array] = {}
        self._square: dict[Value, Array] = {}

    def run(self, executor: Executor, data: Dataset, samples: int) -> None:
        """Gather over the data."""
        for sample in evenly(data, samples):
            inputs = {name: sample[name] for name in executor.graph.input_names}
            for value in executor.graph.inputs:
                self._add(value, inputs[value.hint])
            executor.run(inputs, tap=self._look)

    def of(self, value: Value) -> Array:
        """Drawn towards its diagonal, the more the fewer places were seen per channel, so that it
        can be inverted and no chance correlation counts; float64."""
        count = self._count[value]
        mean = self._sum[value] / count
        found = self._square[value] / count - mean[:, np.newaxis] * mean
        variance = np.diagonal(found)
        floor = LEAST_VARIANCE * max(float(variance.mean()), SMALLEST)
        share = min(LEAST_DRAWN + len(found) / (len(found) + count), 1.0)
        return np.asarray((1 - share) * found + np.diag(share * variance + floor))

    def __contains__(self, value: Value) -> bool:
        return value in self._count

    def _look(self, op: Op, results: Sequence[Array]) -> None:
        for value, array in zip(op.results, results, strict=True):
            self._add(value, array)

    def _add(self, value: Value, array: Array) -> None:
        axis = self._axes.get(value)
        if axis is None:
            return
        rows = np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis])
        if len(rows) > self._places:
            rows = rows[np.random.default_rng(0).choice(len(rows), self._places, replace=False)]
        rows = rows.astype(np.float64)
        self._count[value] = self._count.get(value, 0) + len(rows)
        self._sum[value] = self._sum.get(value, 0.0) + rows.sum(axis=0)
        self._square[value] = self._square.get(value, 0.0) + rows.T @ rows
