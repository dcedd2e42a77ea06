"""Weights of few bits, rounded by what the matmul gives on data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgec.ir import Array, Constant, Graph, Rewriter, dtypes
from edgec.ir.ops import MatMul
from edgec.kernels import Stepwise
from edgec.passes.base import Pass
from edgec.passes.context import current
from edgec.passes.precision.grids import WeightGrid, fitted, largest, spread_scale, stored_in
from edgec.passes.precision.weights import GROUP, WeightsOnly, dequantized, places_of
from edgec.passes.promise import Lossy
from edgec.passes.quality.rounding import rounded
from edgec.passes.reconstruct import Moments, evenly, gather, rows_of, unrows
from edgec.passes.reconstruct.patches import is_supported

DAMPING = 0.01  # of the inputs' variance, as in the paper


@dataclass(frozen=True)
class Gptq(Pass):
    """Store the weights of matmuls as integers of 4 or 8 ``bits``, rounded by least squares.

    As ``weights``, but each weight is rounded so that the matmul gives what it gave, on ``samples``
    samples of the data at ``places`` rows of each; matmuls behind see those before already rounded
    (Frantar et al. 2022, arXiv:2210.17323).
    """

    name = "gptq"
    promise = Lossy("sqnr_db", 10.0)
    reads_data = True

    bits: int = 4
    group: int = 0
    least: int = 1024
    samples: int = 64
    places: int = 128

    def __post_init__(self) -> None:
        WeightsOnly(self.bits, self.group, self.least)  # refuses what it refuses

    def run(self, graph: Graph, rw: Rewriter) -> None:
        context = current()
        data = context.require_data("rounding by what matmuls give takes data")
        layers = set(self._layers(graph))
        steps = Stepwise(graph, evenly(data, self.samples))
        grids: dict[MatMul, WeightGrid] = {}
        for op in context.progress(steps.ops(), "rounding weights", len(graph)):
            if not isinstance(op, MatMul) or op not in layers:
                continue
            if not context.fuel.spend(self.name, op):
                break
            grid = grids[op] = self._rounded(op, steps)
            Rewriter(graph).set_operand(op, 1, Constant(grid.real(), hint=op.b.hint))
            steps.compute(op)
        for op, grid in grids.items():
            weights = op.b
            assert isinstance(weights, Constant), "set above"
            Rewriter(graph).set_operand(op, 1, dequantized(weights, grid, op))
            context.statistics.applied[f"{self.bits}-bit weights of {op.op_name}"] += 1

    def _layers(self, graph: Graph) -> Iterator[MatMul]:
        for op in graph.ops_of(MatMul):
            weights = op.b
            if not is_supported(op) or not isinstance(weights, Constant):
                continue
            if weights.type.dtype is dtypes.f32 and weights.type.elements() >= self.least:
                yield op

    def _rounded(self, op: MatMul, steps: Stepwise) -> WeightGrid:
        weights = op.b
        assert isinstance(weights, Constant), "how layers are found"
        (place,) = places_of(op)
        if self.bits == 8:
            plain = fitted(weights.array, 8, place.outputs)
        else:
            plain = fitted(weights.array, 4, place.inputs, self.group or GROUP)
        real = rows_of(op, weights.array).astype(np.float64)
        moments = Moments(1, real.shape[2], real.shape[1])
        gather(moments, op, steps.arrays(op.a), steps.arrays(op.result), self.places)
        scale = spread_scale(plain.scale, weights.array.shape, plain.axis, plain.block)
        step = rows_of(op, np.broadcast_to(scale, weights.array.shape)).astype(np.float64)
        integers = rounded(real, _damped(moments), step, largest(self.bits))
        stored = unrows(op, integers, weights.array.shape).astype(stored_in(self.bits).numpy)
        return WeightGrid(stored, plain.scale, plain.axis, plain.block)


def _damped(moments: Moments) -> Array:
    """The second moments of the inputs, so that they can be inverted: a matmul may have no bias to
    make up for their mean."""
    own = moments.xx / moments.count
    inputs = own.shape[-1]
    mean = np.trace(own, axis1=1, axis2=2) / inputs
    amount = DAMPING * np.where(mean > 0, mean, 1.0)
    return np.asarray(own + amount[:, np.newaxis, np.newaxis] * np.eye(inputs))
