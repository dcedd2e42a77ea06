"""Numbers that integers can hold: how weights get scales that are safe, and what is checked.

1. scales:       every scale is a positive, finite, normal float32.
2. zero points:  every zero point lies within the integers that are stored.
3. biases:       every i32 bias has the scale of the operand times that of the weights, and is at
                 most 2**30: half of what the sum can hold is left.
4. sums:         the worst sum of products and bias, over all operands that can be stored, is an
                 i32 (interval analysis per output channel).
5. ties:         operands and results that must share a grid do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgec.passes.quantize.grids import SMALLEST_SCALE, Scales

Rows: TypeAlias = NDArray[np.float64]  # of weights or biases: one row per output channel

LARGEST_BIAS = 2.0**30
LARGEST_SUM = 2.0**31 - 1


@dataclass(frozen=True)
class Inputs:
    """The integers that a layer reads: their scale, and their bounds less the zero point."""

    scale: float
    low: int
    high: int


@dataclass(frozen=True)
class SafeScales:
    """Scales of weights per row, and for how many rows which rule made them coarser."""

    scales: Scales
    raised: dict[str, int]
    dead: int


def safe_scales(
    scales: Scales, rows: Rows, bias: Rows | None, x: Inputs, limit: int, *, shared: bool
) -> SafeScales:
    """The given scales, raised where a scale would be no normal number, or a bias or a sum would
    leave i32.

    Args:
        scales: per row.
        rows: float weights, [rows, elements].
        bias: float bias, [rows, elements that are added with the row's scale]; None for none.
        limit: stored weights are in ±limit.
        shared: one scale, the largest, for all rows.
    """
    raised: dict[str, int] = {}
    dead = ~rows.any(axis=1)
    found = np.where(dead, scales.max(initial=0), scales)
    found = np.where(found > 0, found, 1 / limit)
    least = np.full(len(rows), max(SMALLEST_SCALE, SMALLEST_SCALE / x.scale))
    found = _floored(found, least, "scale", raised)
    if bias is not None:
        least = np.abs(bias).max(axis=1) / (x.scale * LARGEST_BIAS)
        found = _floored(found, least, "bias", raised)
    if shared:
        found = np.full(len(rows), found.max(initial=0))
    found = _bounded_sums(found, rows, bias, x, limit, raised)
    if shared:
        found = np.full(len(rows), found.max(initial=0))
    return SafeScales(found, raised, int(dead.sum()))


def _floored(scales: Scales, least: Scales, rule: str, raised: dict[str, int]) -> Scales:
    """The scales, and at least ``least``, rounded up to float32."""
    low = scales < least
    if np.any(low):
        raised[rule] = int(np.sum(low))
    wanted = np.where(low, least, scales)
    single = wanted.astype(np.float32)
    up = np.nextafter(single, np.float32(np.inf))
    return np.where(low & (single < wanted), up, single).astype(np.float64)


def _bounded_sums(
    scales: Scales, rows: Rows, bias: Rows | None, x: Inputs, limit: int, raised: dict[str, int]
) -> Scales:
    if rows.shape[1] * limit * max(x.high, -x.low) + LARGEST_BIAS <= LARGEST_SUM:
        return scales
    affected = np.zeros(len(scales), bool)
    while True:
        stored = stored_weights(rows, scales, limit)
        sums = worst_sums(stored, x)
        if bias is not None:
            sums += np.rint(np.abs(bias).max(axis=1) / (x.scale * scales))
        over = sums > LARGEST_SUM
        if not over.any():
            break
        affected |= over
        grown = np.where(over, scales * np.maximum(sums / LARGEST_SUM, 1.01), scales)
        scales = grown.astype(np.float32).astype(np.float64)
    if affected.any():
        raised["sum"] = int(affected.sum())
    return scales


def stored_weights(rows: Rows, scales: Scales, limit: int) -> Rows:
    """The integers of weights, [rows, elements]."""
    return np.clip(np.rint(rows / scales[:, np.newaxis]), -limit, limit)


def worst_sums(stored: Rows, x: Inputs) -> Scales:
    """Per row, the greatest magnitude that a sum of products can reach."""
    positive = np.maximum(stored, 0).sum(axis=1)
    negative = np.minimum(stored, 0).sum(axis=1)
    highest = positive * x.high + negative * x.low
    lowest = positive * x.low + negative * x.high
    return np.asarray(np.maximum(highest, -lowest))
