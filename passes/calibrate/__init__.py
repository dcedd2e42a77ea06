"""The pass ``calibrate``: ranges of values, from running the graph over data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from edgec.ir import Array, Code, Error, Finding, Graph, Op, Rewriter, Value, print_op
from edgec.ir.ops import Quantize
from edgec.kernels import Dataset, Executor, Sample
from edgec.passes.base import Pass
from edgec.passes.calibrate.batches import BATCH, batched, can_batch
from edgec.passes.calibrate.estimators import METHODS, Estimator, Knobs, Method
from edgec.passes.context import current
from edgec.passes.promise import Exact

__all__ = [
    "METHODS",
    "Calibrate",
    "can_be_calibrated",
    "is_calibrated",
    "is_quantized",
    "needs_no_data",
]


@dataclass(frozen=True)
class Calibrate(Pass):
    """Run the graph over the data and record the range of every floating-point value.

    ``method`` is one of minmax, moving, percentile, entropy, mse; all of them see the data once, in
    memory that does not depend on how many samples there are. ``percentile`` is the per cent of
    the elements that method of that name keeps, ``rate`` the share of a new sample in a moving
    average, ``levels`` the size of the grid that entropy and mse have in mind, ``samples`` how
    many samples to use (0 for all). With ``missing`` nothing is run where every value has a range
    already; nor, without data, where some have one or the model is quantized as it came. Infinite
    elements (masks) are left out of a range.
    """

    name = "calibrate"
    promise = Exact()
    reads_data = True
    method: str = "minmax"
    percentile: float = 99.99
    rate: float = 0.01
    levels: int = 256
    samples: int = 0
    missing: bool = False

    def run(self, graph: Graph, rw: Rewriter) -> None:
        method = self._method()
        context = current()
        if self.missing and (is_calibrated(graph) or (not context.data and needs_no_data(graph))):
            return
        data = context.require_data("calibration runs the model over data")
        limit = self.samples or len(data)
        values = list(_observable(graph))
        observers = _Observers(graph, values, method, self._knobs())
        executor = Executor(graph)
        size = BATCH if can_batch(graph) and not method.per_sample else 1
        samples = (_chosen(graph, sample, data) for sample in islice(data, limit))
        shown = context.progress(samples, "calibrating", min(limit, len(data)))
        for batch in batched(shown, size):
            observers.inputs(batch)
            executor.run(batch, tap=observers, inner_tap=observers)
        for value, estimator in observers.estimators.items():
            found = estimator.range()
            if found is not None:
                rw.record_range(value, found)
        graph.metadata["calibration"] = f"{self}: {data.description}"

    def _method(self) -> Method:
        found = METHODS.get(self.method)
        if found is None:
            raise Error(
                Code.OPTION,
                f"there is no calibration method {self.method!r}",
                instead=f"one of {sorted(METHODS)}",
            )
        return found

    def _knobs(self) -> Knobs:
        if not (50 < self.percentile <= 100 and 0 < self.rate <= 1 and self.levels >= 2):
            raise Error(
                Code.OPTION,
                f"{self} is out of bounds",
                instead="50 < percentile <= 100, 0 < rate <= 1, levels >= 2",
            )
        return Knobs(self.percentile, self.rate, self.levels)


def can_be_calibrated(value: Value) -> bool:
    """True for values of real numbers."""
    return value.type.dtype.is_float


def is_calibrated(graph: Graph) -> bool:
    """True when every input and result that can be calibrated carries a range."""
    return all(value.range is not None for value in _observable(graph))


def is_quantized(graph: Graph) -> bool:
    """True when values come on grids already, as after quantization-aware training."""
    return any(isinstance(op, Quantize) for op in graph.walk)


def needs_no_data(graph: Graph) -> bool:
    """True for a model that brings grids or ranges."""
    return is_quantized(graph) or any(value.range is not None for value in _observable(graph))


def _observable(graph: Graph) -> Iterator[Value]:
    """Inputs of the graph, and results of its ops and those of its regions."""
    results = (result for op in graph.walk for result in op.results)
    return filter(can_be_calibrated, (*graph.inputs, *results))


class _Observers:
    """One estimator per value, and the tap that feeds them."""

    def __init__(self, graph: Graph, values: Sequence[Value], method: Method, knobs: Knobs) -> None:
        self.graph = graph
        self.estimators: dict[Value, Estimator] = {value: method.make(knobs) for value in values}

    def inputs(self, sample: Sample) -> None:
        """Observe what goes into the graph. Raises Error when it is not finite."""
        for value in self.graph.inputs:
            estimator = self.estimators.get(value)
            array = sample[value.hint]
            if estimator is None or not array.size:
                continue
            low, high = _extremes(array)
            if not np.isfinite(high - low):
                raise Error(
                    Code.NOT_FINITE,
                    f"a sample of input {value.hint!r} holds NaN or infinity",
                    instead="take the sample out, or look at how the data are prepared",
                )
            estimator.observe(array, low, high)

    def __call__(self, op: Op, results: Sequence[Array]) -> None:
        for value, array in zip(op.results, results, strict=True):
            estimator = self.estimators.get(value)
            if estimator is None or not array.size:
                continue
            low, high = _extremes(array)
            if not np.isfinite(high - low):
                array = _finite(op, array)
                if not array.size:
                    continue
                low, high = _extremes(array)
            estimator.observe(array, low, high)


def _extremes(array: Array) -> tuple[float, float]:
    return float(array.min()), float(array.max())


def _finite(op: Op, array: Array) -> Array:
    """The finite elements. Raises Error when some element is not a number."""
    if np.isnan(array).any():
        finding = Finding(
            "a result is not a number (NaN)",
            f"{print_op(op).splitlines()[0]}" + (f", from {', '.join(op.loc)}" if op.loc else ""),
        )
        raise Error(
            Code.NOT_FINITE,
            "the model itself computes NaN on the calibration data",
            [finding],
            instead="look at the samples: their scale, and how they are prepared",
        )
    return np.asarray(array[np.isfinite(array)])


def _chosen(graph: Graph, sample: Sample, data: Dataset) -> Sample:
    """The arrays of a sample that the graph takes in."""
    missing = [name for name in graph.input_names if name not in sample]
    if missing:
        raise Error(
            Code.DATA_NAMES,
            f"a sample of {data.description} has no array for {missing}",
            instead=f"the model's inputs are {list(graph.input_names)}, found {sorted(sample)}",
        )
    return {name: np.asarray(sample[name]) for name in graph.input_names}
