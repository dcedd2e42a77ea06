"""What is counted of a layer while samples go by, and what it amounts to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgec.ir import Array
from edgec.kernels import Histogram
from edgec.tools.quant_report.layers import Layer

MOST_BINS = 96  # of the histograms that are kept for display


@dataclass(frozen=True)
class Figures:
    """What was measured of one layer.

    Attributes:
        layer: which one.
        alone_db: signal to noise at the model's outputs when only this layer is quantized.
        blame: this layer's share of the noise that all layers make on their own.
        so_far_db: signal to noise of its result when it and all before it are quantized; None
            where the quantized model does not show it.
        clipped: share of its float results outside the grid.
        saturated: share of its stored results at either end of the grid, zeros left out.
        spread: largest range of a channel over the median channel's; 1 without channels.
        low, high: of its float results.
        histogram: counts of its float results in bins of equal width from low to high.
    """

    layer: Layer
    alone_db: float
    blame: float
    so_far_db: float | None
    clipped: float
    saturated: float
    spread: float
    low: float
    high: float
    histogram: Sequence[int]


class Tally:
    """What is counted of one layer while samples go by."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self.histogram = Histogram(1024)
        self.clipped = self.saturated = self.count = 0
        self.signal = self.noise = 0.0
        self.channels: tuple[Array, Array] | None = None

    def real(self, array: Array) -> None:
        """A result in the float model."""
        finite = array[np.isfinite(array)] if not np.isfinite(array).all() else array
        if not finite.size:
            return
        self.histogram.add(finite, float(finite.min()), float(finite.max()))
        self.count += finite.size
        grid = self.layer.grid
        if grid is not None and not self.layer.narrowed:
            half = grid.scale / 2
            self.clipped += int(np.sum((finite < grid.low - half) | (finite > grid.high + half)))
        if array.ndim >= 3:
            axes = (0, *range(2, array.ndim))
            low, high = array.min(axes), array.max(axes)
            if self.channels is not None:
                low, high = np.minimum(low, self.channels[0]), np.maximum(high, self.channels[1])
            self.channels = low, high

    def stored(self, array: Array) -> None:
        """The integers that stand for it."""
        grid = self.layer.grid
        assert grid is not None, "what is stored has a grid"
        ends = (array == grid.least) | (array == grid.greatest)
        self.saturated += int(np.sum(ends & (array != grid.zero_point)))

    def off(self, found: Array, expected: Array) -> None:
        """What the quantized model has in its place."""
        exact = expected.astype(np.float64)
        grid = self.layer.grid
        if grid is not None and self.layer.narrowed:
            exact = np.clip(exact, grid.low, grid.high)
        self.signal += float(np.sum(exact * exact))
        self.noise += float(np.sum((found - exact) ** 2))

    def figures(self, alone: float, blame: float) -> Figures:
        low, high = self.histogram.low, self.histogram.high
        relative = self.noise / self.signal if self.signal else math.nan
        return Figures(
            self.layer,
            alone,
            blame,
            decibels(relative) if self.signal else None,
            self.clipped / max(self.count, 1),
            self.saturated / max(self.count, 1),
            self._spread(),
            low,
            high,
            _coarse(self.histogram),
        )

    def _spread(self) -> float:
        if self.channels is None:
            return 1.0
        ranges = np.maximum(self.channels[1], 0) - np.minimum(self.channels[0], 0)
        typical = float(np.median(ranges))
        return float(ranges.max()) / typical if typical > 0 else 1.0


def decibels(relative: float) -> float:
    return -10 * math.log10(relative) if relative > 0 else math.inf


def _coarse(histogram: Histogram) -> list[int]:
    """The occupied part of a histogram in few bins."""
    occupied = np.flatnonzero(histogram.counts)
    if not occupied.size:
        return []
    counts = histogram.counts[occupied[0] : occupied[-1] + 1]
    step = -(-len(counts) // MOST_BINS)
    padded = np.concatenate([counts, np.zeros(-len(counts) % step, counts.dtype)])
    return [int(n) for n in padded.reshape(-1, step).sum(1)]
