"""Estimators: from the elements of a value, as they stream by, to the range that a grid covers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from edgec.ir import Array, Range
from edgec.kernels import Histogram
from edgec.passes.calibrate.clipping import entropy_range, mse_range, percentile_range


class Estimator(Protocol):
    """Sees the elements of one value, array by array, in memory that does not grow."""

    def observe(self, array: Array, low: float, high: float) -> None:
        """Take in an array of finite elements whose extremes are ``low`` and ``high``."""

    def range(self) -> Range | None:
        """The range to quantize; None when nothing was observed."""


class MinMax:
    """From the smallest to the largest element."""

    def __init__(self) -> None:
        self.low, self.high = math.inf, -math.inf

    def observe(self, array: Array, low: float, high: float) -> None:
        self.low, self.high = min(self.low, low), max(self.high, high)

    def range(self) -> Range | None:
        return Range(self.low, self.high) if self.low <= self.high else None


class MovingAverage:
    """Exponential moving averages of the extremes of each sample, so that a single unusual one
    does not decide (Jacob et al., "Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference", 2018, section 3.1).

    Args:
        rate: the share of each new sample; the first 1/rate samples count equally.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.low = self.high = 0.0
        self.count = 0

    def observe(self, array: Array, low: float, high: float) -> None:
        self.count += 1
        share = max(self.rate, 1 / self.count)
        self.low += share * (low - self.low)
        self.high += share * (high - self.high)

    def range(self) -> Range | None:
        return Range(self.low, max(self.low, self.high)) if self.count else None


class Clipped:
    """A range chosen from the histogram of all elements."""

    def __init__(self, choose: Callable[[Histogram], Range]) -> None:
        self.histogram = Histogram()
        self.choose = choose

    def observe(self, array: Array, low: float, high: float) -> None:
        self.histogram.add(array, low, high)

    def range(self) -> Range | None:
        histogram = self.histogram
        if histogram.is_empty:
            return None
        if histogram.low == histogram.high:
            return Range(histogram.low, histogram.high)
        return self.choose(histogram)


@dataclass(frozen=True)
class Knobs:
    """What an estimator may be told.

    Attributes:
        percentile: per cent of the elements to keep within the range.
        rate: of the moving average.
        levels: of the grid that the range is for.
    """

    percentile: float
    rate: float
    levels: int


@dataclass(frozen=True)
class Method:
    """A way to choose ranges.

    Attributes:
        summary: one line for people.
        make: a fresh estimator for one value.
        per_sample: samples must be shown one by one, since the result depends on how they are cut.
    """

    summary: str
    make: Callable[[Knobs], Estimator]
    per_sample: bool = False


METHODS: Mapping[str, Method] = {
    "minmax": Method("smallest and largest element", lambda knobs: MinMax()),
    "moving": Method(
        "moving average of each sample's extremes",
        lambda knobs: MovingAverage(knobs.rate),
        per_sample=True,
    ),
    "percentile": Method(
        "cut off the same small share of elements at both ends",
        lambda knobs: Clipped(lambda h: percentile_range(h, knobs.percentile)),
    ),
    "entropy": Method(
        "least divergence between the distributions before and after",
        lambda knobs: Clipped(lambda h: entropy_range(h, knobs.levels)),
    ),
    "mse": Method(
        "least mean squared error",
        lambda knobs: Clipped(lambda h: mse_range(h, knobs.levels)),
    ),
}
