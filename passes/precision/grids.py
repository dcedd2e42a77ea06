"""Symmetric integer grids for weights: one scale per output channel, or per group of inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgec.ir import Array, DType, dtypes

STORED = {8: dtypes.i8, 4: dtypes.i4}
# Shares of the largest magnitude that are tried as the end of a 4-bit grid: cutting a few outliers
# off is worth a finer step for the rest.
_ENDS = np.linspace(1.0, 0.7, 16, dtype=np.float32)
_SMALLEST_SCALE = np.finfo(np.float32).tiny  # below it, runtimes flush to zero


@dataclass(frozen=True)
class WeightGrid:
    """Integers and the scales that make them weights again.

    Attributes:
        stored: as the weights, of the integer type.
        scale: float32, one per slice along ``axis``, or with ``block`` one per block of it.
    """

    stored: Array
    scale: Array
    axis: int
    block: int

    def real(self) -> Array:
        """The weights that the integers stand for, float32."""
        spread = spread_scale(self.scale, self.stored.shape, self.axis, self.block)
        return (self.stored.astype(np.float32) * spread).astype(np.float32)


def largest(bits: int) -> int:
    """The end of the grid: symmetric, so that the most negative integer stays unused."""
    return int(2 ** (bits - 1) - 1)


def fitted(weights: Array, bits: int, axis: int, block: int = 0) -> WeightGrid:
    """The grid for weights, float [any rank]: per slice along ``axis``, or per block of it.

    With 8 bits it ends at the largest magnitude; with 4 where the squared error is least.
    """
    scale = scales(weights, bits, axis, block)
    return WeightGrid(rounded(weights, scale, bits, axis, block), scale, axis, block)


def scales(weights: Array, bits: int, axis: int, block: int = 0) -> Array:
    """Float32 scales per slice along ``axis``, or per block of ``block`` slices of it."""
    peak = _reduced(np.abs(weights), np.maximum, axis, block)
    peak = np.where(peak > 0, peak, 1).astype(np.float32)
    top = np.float32(largest(bits))
    peak = np.maximum(peak, top * _SMALLEST_SCALE)
    if bits == 8:
        return np.asarray(peak / top, np.float32)
    best, error = peak / top, np.full(peak.shape, np.inf)
    for end in _ENDS:
        scale = np.maximum(peak * end / top, _SMALLEST_SCALE).astype(np.float32)
        spread = spread_scale(scale, weights.shape, axis, block)
        off = np.clip(np.rint(weights / spread), -top, top) * spread - weights
        found = _reduced(off * off, np.add, axis, block)
        best = np.where(found < error, scale, best)
        error = np.minimum(found, error)
    return np.asarray(best, np.float32)


def rounded(weights: Array, scale: Array, bits: int, axis: int, block: int = 0) -> Array:
    """The nearest integers of the grid, in the type that stores them."""
    top = largest(bits)
    spread = spread_scale(scale, weights.shape, axis, block)
    return np.clip(np.rint(weights / spread), -top, top).astype(stored_in(bits).numpy)


def stored_in(bits: int) -> DType:
    """The type that integers of so many bits are stored in."""
    return STORED[bits]


def spread_scale(scale: Array, shape: tuple[int, ...], axis: int, block: int) -> Array:
    """Scales so that they broadcast to weights of that shape."""
    if block:
        repeated = np.repeat(scale, block, axis)
        return np.take(repeated, np.arange(shape[axis]), axis)
    along = [1] * len(shape)
    along[axis] = -1
    return scale.reshape(along)


def _reduced(array: Array, reduction: np.ufunc, axis: int, block: int) -> Array:
    if block:
        starts = np.arange(0, array.shape[axis], block)
        return np.asarray(reduction.reduceat(array, starts, axis=axis))
    others = tuple(i for i in range(array.ndim) if i != axis)
    return np.asarray(reduction.reduce(array, axis=others))
