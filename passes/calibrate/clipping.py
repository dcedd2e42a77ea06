"""Ranges that leave out the tails of a histogram, where that makes the rest finer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgec.ir import Range
from edgec.kernels import Histogram

CANDIDATES = 200  # tried for each end of a range
WIDER = 9  # ranges between the best by the model and the widest
_TINY = 1e-12  # keeps the logarithm of an empty level finite

Floats = NDArray[np.float64]


def percentile_range(histogram: Histogram, percentile: float) -> Range:
    """The range that holds that many per cent of all elements, as many cut off at each end."""
    tail = (1 - percentile / 100) / 2
    return Range(histogram.quantile(tail), histogram.quantile(1 - tail))


def mse_range(histogram: Histogram, levels: int) -> Range:
    """The range whose grid of ``levels`` has the least squared error over all elements.

    An element inside errs by step²/12 on average (zero, which is on every grid, not at all), one
    outside by its distance to the end (Banner et al., "Post training 4-bit quantization of
    convolutional networks for rapid-deployment", 2019, section 2).
    """
    values, counts = histogram.nonzero()
    lows, highs = _ends(min(histogram.low, 0.0)), _ends(max(histogram.high, 0.0))
    above = _squared_excess(values, counts, highs)
    below = _squared_excess(-values[::-1], counts[::-1], -lows)
    steps = (highs[None, :] - lows[:, None]) / (levels - 1)
    inside = _inside(values, counts, lows, highs)
    error = below[:, None] + above[None, :] + inside * steps**2 / 12
    row, column = np.unravel_index(np.argmin(error), error.shape)
    best = _range(histogram, float(lows[row]), float(highs[column]))
    # Where a step is wider than the bulk of the elements, they err by less than step²/12: the best
    # by that model has to stand its ground against wider ranges, with real rounding.
    wider = [
        _range(histogram, best.low + share * (histogram.low - best.low),
               best.high + share * (histogram.high - best.high))
        for share in np.linspace(0, 1, WIDER)
    ]  # fmt: skip
    return min(wider, key=lambda found: _rounding_error(values, counts, found, levels))


def entropy_range(histogram: Histogram, levels: int) -> Range:
    """The range, of equal reach to both sides of zero, whose grid loses the least information.

    Kullback-Leibler divergence between the elements, those outside moved to the ends, and the
    same after their merging into ``levels`` (Migacz, "8-bit inference with TensorRT", 2017).
    """
    values, counts = histogram.nonzero()
    largest = max(abs(histogram.low), abs(histogram.high))
    best, found = np.inf, largest
    # From wide to narrow: of equally good ranges the widest is taken, which clips least.
    for reach in largest * np.arange(CANDIDATES, 0, -1) / CANDIDATES:
        low, high = max(histogram.low, -reach), min(histogram.high, reach)
        if not low < high:
            continue
        divergence = _divergence(values, counts, min(low, 0.0), max(high, 0.0), levels)
        if divergence < best * (1 - 1e-9):
            best, found = divergence, float(reach)
    return _range(histogram, max(histogram.low, -found), min(histogram.high, found))


def _ends(end: float) -> Floats:
    """Candidates for one end of a range that contains zero: fractions of the extreme element."""
    if end == 0:
        return np.zeros(1)
    return end * np.arange(1, CANDIDATES + 1) / CANDIDATES


def _squared_excess(values: Floats, counts: Floats, ends: Floats) -> Floats:
    """Sum of count·(value - end)² over the values above each end; values ascend."""
    n, sums, squares = (_suffix_sums(counts * values**power) for power in (0, 1, 2))
    start = np.searchsorted(values, ends, side="right")
    found = squares[start] - 2 * ends * sums[start] + ends**2 * n[start]
    return np.maximum(found, 0)  # rounding


def _inside(values: Floats, counts: Floats, lows: Floats, highs: Floats) -> Floats:
    """Number of elements within each pair of ends."""
    cumulated = np.concatenate([[0.0], np.cumsum(counts)])
    upper = cumulated[np.searchsorted(values, highs, side="right")]
    lower = cumulated[np.searchsorted(values, lows, side="left")]
    return np.asarray(upper[None, :] - lower[:, None])


def _rounding_error(values: Floats, counts: Floats, range: Range, levels: int) -> float:
    """Squared error of the values on that range's grid, which contains zero."""
    low, high = min(range.low, 0.0), max(range.high, 0.0)
    step = (high - low) / (levels - 1)
    least = -round(-low / step)
    rounded = np.clip(np.rint(values / step), least, least + levels - 1) * step
    return float(np.sum(counts * (values - rounded) ** 2))


def _suffix_sums(terms: Floats) -> Floats:
    """Sum from each index to the end; zero after the last."""
    return np.concatenate([np.cumsum(terms[::-1])[::-1], [0.0]])


def _divergence(values: Floats, counts: Floats, low: float, high: float, levels: int) -> float:
    """Of the occupied bins within the range: the elements of a level spread over its bins."""
    inside = (values >= low) & (values <= high)
    if not inside.any():
        return float(np.inf)
    kept = counts[inside]
    level = np.minimum(
        ((values[inside] - low) * (levels / (high - low))).astype(np.int64), levels - 1
    )
    sums = np.bincount(level, weights=kept, minlength=levels)
    bins = np.bincount(level, minlength=levels)
    quantized = (sums / np.maximum(bins, 1))[level]
    reference = kept.copy()
    reference[0] += counts[values < low].sum()
    reference[-1] += counts[values > high].sum()
    p = reference / reference.sum()
    q = quantized / quantized.sum()
    return float(np.sum(p * np.log(p / np.maximum(q, _TINY))))


def _range(histogram: Histogram, low: float, high: float) -> Range:
    """Within what was seen: an end on the far side of zero stays at the extreme element."""
    low = max(low, histogram.low)
    return Range(float(low), float(max(min(high, histogram.high), low)))
