"""From packed weights to rescaled results: what convolutions and linear layers share.

Results are rescaled in the registers that hold the sums where their factors allow it: then vectors
are written whole, and the last ones by way of memory with room for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgec.kernels.loops.integer_dot import ROWS
from edgec.kernels.loops.integer_product import (
    SLACK,
    Packed,
    aligned,
    copy_rows,
    multiply,
    multiply_rescaled,
)
from edgec.kernels.loops.integer_rescale import rescale, rescale_float
from edgec.kernels.loops.integer_vectors import FACTOR_ROWS, LANES
from edgec.kernels.loops.integer_windows import (
    ByChannel,
    Frame,
    gather,
    sums_by_channel,
    windows_by_channel,
)
from edgec.kernels.loops.scratch import Scratch

Array = NDArray[Any]
Fill: TypeAlias = Callable[[int, int, Array], None]

_ROWS, _SUMS, _REST = Scratch(), Scratch(), Scratch()
_WORD = np.dtype(np.int32)
_BYTE, _SIGNED = np.dtype(np.uint8), np.dtype(np.int8)
LARGEST_SHIFT = 30
LARGEST_SUM = 3 << 29  # with half of the largest shift still a 32-bit number
_SUM_BLOCK = 1 << 13  # sums that stay in the first-level cache


@dataclass(frozen=True)
class Rescale:
    """What turns sums into results, one entry per column.

    Attributes:
        bias: int32, added to each sum.
        mantissas, shifts: the factors in fixed point (int64); unused where ``doubles`` are given.
        doubles: the factors as float64.
        ends: zero point, low, high of the result.
        largest: no sum with its bias is larger in magnitude.
    """

    bias: Array
    mantissas: Array
    shifts: Array
    doubles: Array | None
    ends: Array
    largest: int

    def __call__(self, sums: Array, pitch: int, rows: int, out: Array, out_pitch: int) -> None:
        """Rescale ``rows`` rows of flat sums into flat results."""
        if self.doubles is not None:
            rescale_float(sums, pitch, rows, self.bias, self.doubles, self.ends, out, out_pitch)
        else:
            rescale(
                sums, pitch, rows, self.bias, self.mantissas, self.shifts, self.ends, out, out_pitch
            )

    def columns(self, span: slice) -> Rescale:
        """The entries of some columns."""
        doubles = None if self.doubles is None else self.doubles[span]
        return Rescale(
            self.bias[span], self.mantissas[span], self.shifts[span], doubles, self.ends,
            self.largest,
        )  # fmt: skip

    def table(self, lanes: Array) -> Array | None:
        """Bias, left shift, mantissa and right shift of the column of each lane (of any where there
        is no such column), in turn for every 16; None where the arithmetic of vectors does not
        suffice."""
        left, right = np.maximum(self.shifts, 0), np.maximum(-self.shifts, 0)
        if self.doubles is not None or self.largest << int(left.max()) > LARGEST_SUM:
            return None
        if right.max() > LARGEST_SHIFT:
            return None
        known = np.minimum(lanes, self.bias.size - 1)
        rows = np.stack([row[known] for row in (self.bias, left, self.mantissas, right)])
        return aligned(rows.astype(np.int32).reshape(FACTOR_ROWS, -1, LANES).transpose(1, 0, 2))


@dataclass(frozen=True)
class Product:
    """A matrix of weights with the rescaling of its columns."""

    weights: Packed
    rescale: Rescale
    table: Array | None

    @classmethod
    def of(cls, weights: Packed, rescale: Rescale) -> Product:
        return cls(weights, rescale, rescale.table(np.arange(weights.sum_pitch)))

    def of_rows(self, x: Array, out: Array) -> None:
        """``out = rescale(x @ weights)`` for contiguous i8 ``x`` [rows, depth] and flat ``out``."""
        source, depth = x.reshape(-1).view(np.uint8), x.shape[1]

        def fill(first: int, last: int, rows: Array) -> None:
            span = source[first * depth : last * depth]
            copy_rows(span, last - first, depth, self.weights.row_pitch, rows)

        self._compute(x.shape[0], fill, out)

    def of_windows(self, images: Array, windows: Frame, first_channel: int, out: Array) -> None:
        """``out = rescale(gathered windows @ weights)`` for padded u8 images, all flat."""
        size = windows.positions * self.weights.columns
        for index in range(out.size // max(size, 1)):
            source = images[index * windows.volume + first_channel :]

            def fill(first: int, last: int, rows: Array, source: Array = source) -> None:
                gather(
                    source, windows.dims, windows.offsets, windows.run, windows.channels, first,
                    last, self.weights.row_pitch, rows,
                )  # fmt: skip

            self._compute(windows.positions, fill, out[index * size : (index + 1) * size])

    def _compute(self, count: int, fill: Fill, out: Array) -> None:
        """Blocks of rows; the last tiles by way of memory with room for all that they write."""
        columns, block = self.weights.columns, self.weights.block_rows
        direct = max(count - 1 - LANES // columns, 0) // ROWS * ROWS
        tail = -(-(count - direct) // ROWS) * ROWS
        rows = _ROWS(max(min(block, direct), tail) * self.weights.row_pitch, _BYTE)
        for first in range(0, direct, block):
            last = min(first + block, direct)
            fill(first, last, rows)
            self._rescaled(rows, last - first, out[first * columns :])
        if count > direct:
            fill(direct, count, rows)
            rest = _REST(tail * columns + SLACK, _SIGNED)
            self._rescaled(rows, count - direct, rest)
            out[direct * columns : count * columns] = rest[: (count - direct) * columns]

    def _rescaled(self, rows: Array, count: int, out: Array) -> None:
        weights = self.weights
        if self.table is not None:
            multiply_rescaled(
                rows, count, weights.panels, weights.steps, self.table, self.rescale.ends, out,
                weights.columns,
            )  # fmt: skip
            return
        sums = _SUMS((count + ROWS) * weights.sum_pitch, _WORD)
        multiply(rows, count, weights.panels, weights.steps, sums)
        self.rescale(sums, weights.sum_pitch, count, out, weights.columns)


@dataclass(frozen=True)
class Depthwise:
    """Weights that sum each channel by itself, with the rescaling of the channels."""

    weights: ByChannel
    taps: Array  # i32 [taps, channels], flat
    rescale: Rescale
    table: Array | None

    @classmethod
    def of(cls, weights: ByChannel, taps: Array, rescale: Rescale) -> Depthwise:
        wide = np.ascontiguousarray(taps, np.int32).reshape(-1)
        return cls(weights, wide, rescale, rescale.table(weights.lanes))

    def of_windows(self, images: Array, windows: Frame, out: Array) -> None:
        """``out = rescale(sum over taps)`` for padded u8 images, all flat."""
        size, channels = windows.positions * windows.channels, windows.channels
        direct = max(windows.positions - 1 - SLACK // channels, 0)
        rest = _REST(size - direct * channels + SLACK, _SIGNED)
        for index in range(out.size // max(size, 1)):
            source, target = images[index * windows.volume :], out[index * size :]
            if self.table is None:
                self._by_sums(source, windows, target)
                continue
            self._vectors(source, windows, 0, direct, target)
            self._vectors(source, windows, direct, windows.positions, rest)
            target[direct * channels : size] = rest[: size - direct * channels]

    def _vectors(self, source: Array, windows: Frame, first: int, last: int, out: Array) -> None:
        windows_by_channel(
            source, windows.dims, windows.groups_of_taps, self.weights.weights,
            self.weights.blocks, self.table, self.rescale.ends, windows.channels, first, last, out,
        )  # fmt: skip

    def _by_sums(self, source: Array, windows: Frame, out: Array) -> None:
        channels, count = windows.channels, windows.positions
        block = max(1, min(count, _SUM_BLOCK // channels))
        sums = _SUMS(block * channels, _WORD)
        for first in range(0, count, block):
            last = min(first + block, count)
            sums_by_channel(
                source, windows.dims, windows.offsets, self.taps, channels, first, last, sums
            )
            self.rescale(sums, channels, last - first, out[first * channels :], channels)


def sums_of_rows(x: Array, weights: Packed) -> Array:
    """``x @ weights`` as int32 [rows, columns], for contiguous i8 ``x`` [rows, depth]."""
    count, depth = x.shape
    rows = _ROWS((count + ROWS) * weights.row_pitch, _BYTE)
    sums = np.empty((count + ROWS) * weights.sum_pitch, np.int32)
    copy_rows(x.reshape(-1).view(np.uint8), count, depth, weights.row_pitch, rows)
    multiply(rows, count, weights.panels, weights.steps, sums)
    whole = sums.reshape(-1, weights.sum_pitch)[:count, : weights.columns]
    return whole - (weights.sums * 128).astype(np.int32)
