"""Judging another computation of a graph against the reference kernels.

How far two correct computations may differ follows from the reductions on the longest path
(``tolerance_of``). That bound assumes that a layer passes relative errors on as they are. A graph
that magnifies them, such as one that ends in exp of a large number, exceeds it whoever computes
it. So where a difference exceeds the bound, the graph itself is asked: it is run again with every
result moved at random by what its own roundings amount to (Monte Carlo arithmetic: Parker, "Monte
Carlo Arithmetic: exploiting randomness in floating-point arithmetic", 1997), and a difference of a
few times that movement is rounding, not an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import sqrt

import ml_dtypes
import numpy as np

from edgec.ir import Array, Graph, Op
from edgec.ir.ops import HardSigmoid, LogSoftmax, Sigmoid, Softmax, Tanh
from edgec.kernels.compare import EXACT, Comparison, compare
from edgec.kernels.executor import Executor
from edgec.kernels.tolerance import roundings, tolerance_of

# Movements of this many sizes are still rounding: one run draws the errors of one computation, the
# two that are compared have drawn others, and the largest of millions of elements counts.
MOVEMENTS = 8.0
DRAWS = 4  # one draw says little of an output of few elements
# A graph that moves by more than this under its own rounding computes no usable number there.
LARGEST_TOLERANCE = 0.05
# Runtimes compute these to an absolute accuracy of the range, not of the (perhaps tiny) result.
_BOUNDED = (HardSigmoid, LogSoftmax, Sigmoid, Softmax, Tanh)
_BOUNDED_ACTIVATIONS = ("hard_sigmoid", "sigmoid", "tanh")


class Judge:
    """The reference outputs of a graph for one set of inputs, and the comparison with them.

    Args:
        graph: must not change afterwards.
        inputs: arrays by name.
        factor: how many times the rounding of the graph another computation may differ.
        exact: demand equality to the bit instead.
    """

    def __init__(
        self,
        graph: Graph,
        inputs: Mapping[str, Array],
        *,
        factor: float = 1.0,
        exact: bool = False,
        executor: Executor | None = None,
    ) -> None:
        self.graph = graph
        self.inputs = inputs
        self.factor = factor
        self.tolerance = EXACT if exact else tolerance_of(graph, factor)
        self.exact = exact
        self.executor = executor or Executor(graph)
        self.expected = self.executor.run(inputs)
        self._movements: dict[str, float] | None = None

    def compare(self, name: str, actual: Array) -> Comparison:
        """The output of that name, against the reference's."""
        expected = self.expected[name]
        found = compare(actual, expected, self.tolerance)
        if found or self.exact or found.needed is None:
            return found
        movement = self.movements()[name]
        allowed = min(self.factor * MOVEMENTS * movement, LARGEST_TOLERANCE)
        if allowed <= self.tolerance.relative:
            return found
        why = f"{MOVEMENTS:g} times the {movement:.1e} by which its own rounding moves it"
        return compare(actual, expected, replace(self.tolerance, relative=allowed, why=why))

    def movements(self) -> Mapping[str, float]:
        """By how much the graph's own rounding moves each output, relative to its largest value."""
        if self._movements is None:
            movers = [Mover(seed) for seed in range(DRAWS)]
            drawn = [self.executor.run(self.inputs, tap=m, inner_tap=m) for m in movers]
            self._movements = {
                name: max(distance(moved[name], expected) for moved in drawn)
                for name, expected in self.expected.items()
            }
        return self._movements


class Mover:
    """A tap that moves every floating-point result by a random error of its rounding's size."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)

    def __call__(self, op: Op, results: Sequence[Array]) -> None:
        count = roundings(op)
        for value, array in zip(op.results, results, strict=True):
            if count and value.type.dtype.is_float and array.size and array.flags.writeable:
                self._move(array, count, bounded=is_bounded(op))

    def _move(self, array: Array, count: int, *, bounded: bool) -> None:
        """An element of a sum carries the error of its terms, which are as large as the typical
        element even where it is small itself by cancellation."""
        finite = array.astype(np.float64)
        finite[~np.isfinite(finite)] = 0
        typical = 1.0 if bounded else float(np.sqrt(np.mean(finite * finite))) if count > 1 else 0.0
        unit = float(ml_dtypes.finfo(array.dtype).eps) / 2  # type: ignore[no-untyped-call]
        size = unit * sqrt(count) * np.maximum(np.abs(finite), typical)
        noise = self.rng.uniform(-1, 1, array.shape)
        with np.errstate(over="ignore", invalid="ignore"):
            array += (noise * size).astype(array.dtype)


def is_bounded(op: Op) -> bool:
    """True when a runtime computes the op to an absolute accuracy of its range."""
    return isinstance(op, _BOUNDED) or getattr(op, "act", "none") in _BOUNDED_ACTIVATIONS


def distance(moved: Array, expected: Array) -> float:
    """Largest difference over the largest magnitude, over elements finite in both."""
    if moved.shape != expected.shape or not expected.size:
        return 0.0
    a, b = moved.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(a) & np.isfinite(b)
    if not finite.any():
        return 0.0
    a, b = a[finite], b[finite]
    largest = float(np.abs(b).max())
    return float(np.abs(a - b).max()) / largest if largest else 0.0
