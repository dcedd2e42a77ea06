"""A histogram of a stream of arrays, whose range grows as they come."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgec.ir import Array

BINS = 4096  # 16 per step of an 8-bit grid when half of them are occupied
_SMALLEST = -126  # exponent of the width: it and its inverse are float32 numbers
_PIECE = 1 << 30  # elements that 32-bit counters can count


class Histogram:
    """Counts by bins of equal width, in memory that does not depend on how much was counted.

    The width is a power of two and every bin begins at a multiple of it. What lies outside doubles
    the width, which merges pairs of bins; nothing is ever split. So the result is the same however
    the stream was cut into arrays, and the same as if the whole range had been known before.

    Attributes:
        low, high: smallest and largest element, as float32 numbers.
        zeros: elements equal to zero; every grid that contains zero represents them exactly.
        counts: by bin, the zeros among them.
        width: of a bin.
        first: the first bin is [first·width, (first + 1)·width).
    """

    def __init__(self, bins: int = BINS) -> None:
        self.counts: NDArray[np.int64] = np.zeros(bins, np.int64)
        self.low, self.high = math.inf, -math.inf
        self.zeros = 0
        self.first = 0
        self._exponent = _SMALLEST

    @property
    def width(self) -> float:
        return math.ldexp(1.0, self._exponent)

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    @property
    def is_empty(self) -> bool:
        return self.low > self.high

    @property
    def edges(self) -> NDArray[np.float64]:
        """Where the bins begin, and where the last one ends."""
        indices = self.first + np.arange(len(self.counts) + 1, dtype=np.float64)
        return indices * self.width

    def add(self, array: Array, low: float, high: float) -> None:
        """Count the elements of an array, as float32 numbers; all are finite, and its extremes are
        ``low`` and ``high``."""
        from edgec.kernels.loops import histogram as loops  # numba is imported on first need

        if not array.size:
            return
        flat = array.reshape(-1).astype(np.float32, copy=False).view()
        flat.flags.writeable = False
        self._cover(float(np.float32(low)), float(np.float32(high)))
        per_width = np.float32(math.ldexp(1.0, -self._exponent))
        for begin in range(0, flat.size, _PIECE):
            piece = flat[begin : begin + _PIECE]
            self.zeros += loops.count(piece, per_width, np.int32(self.first), self.counts)

    def _cover(self, low: float, high: float) -> None:
        """Widen and move the bins until the elements from ``low`` to ``high`` have one each."""
        fresh = self.is_empty
        self.low, self.high = min(self.low, low), max(self.high, high)
        exponent = max(self._exponent, self._fitting())
        begin = math.floor(math.ldexp(self.low, -exponent))
        if fresh:
            self._exponent, self.first = exponent, begin
            return
        if exponent == self._exponent and begin == self.first:
            return
        occupied = np.flatnonzero(self.counts)
        indices = (self.first + occupied) >> (exponent - self._exponent)
        merged = np.zeros_like(self.counts)
        np.add.at(merged, indices - begin, self.counts[occupied])
        self.counts, self._exponent, self.first = merged, exponent, begin

    def _fitting(self) -> int:
        """The smallest exponent of a width at which all elements so far have a bin each."""
        bins = len(self.counts)
        largest = max(abs(self.low), abs(self.high))
        span = self.high - self.low
        if largest == 0:
            return _SMALLEST
        # Indices below 2^23 are float32 numbers, as are their differences; no narrower bin would
        # tell two elements apart.
        exponent = max(_SMALLEST, math.frexp(largest)[1] - 23)
        if span > 0:
            exponent = max(exponent, math.frexp(span / bins)[1] - 1)
        while (
            math.floor(math.ldexp(self.high, -exponent))
            - math.floor(math.ldexp(self.low, -exponent))
            >= bins
        ):
            exponent += 1
        return exponent

    # -- reading ----------------------------------------------------------------------------------

    def quantile(self, share: float) -> float:
        """The number below which that share of all elements lies, interpolated within its bin."""
        cumulated = np.cumsum(self.counts)
        wanted = share * float(cumulated[-1])
        index = min(int(np.searchsorted(cumulated, wanted)), len(cumulated) - 1)
        count = float(self.counts[index])
        inside = wanted - (float(cumulated[index]) - count)
        if self.first + index == 0:  # the zeros come first in their bin
            inside, count = max(inside - self.zeros, 0.0), count - self.zeros
        found = (self.first + index + inside / max(count, 1.0)) * self.width
        return min(max(found, self.low), self.high)

    def nonzero(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Centres and counts of the occupied bins, without the elements equal to zero."""
        counts = self.counts.astype(np.float64)
        if self.zeros:
            counts[-self.first] -= self.zeros
        occupied = np.flatnonzero(counts > 0)
        centres = (self.first + occupied + 0.5) * self.width
        return np.clip(centres, self.low, self.high), counts[occupied]
