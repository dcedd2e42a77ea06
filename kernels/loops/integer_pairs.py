"""Elementwise loops over quantized integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgec.kernels.jit import jit


@jit
def quantized(x: Any, scale: Any, zero_point: Any, y: Any) -> None:
    """``y = saturate(round(x / scale) + zero point)``, halves away from zero, in float32, flat."""
    half, low, high = np.float32(0.5), np.float32(-128), np.float32(127)
    for i in range(x.shape[0]):
        quotient = x[i] / scale
        whole = np.trunc(quotient)
        whole += np.copysign(np.float32(abs(quotient - whole) >= half), quotient)
        moved = min(max(whole + zero_point, low), high)
        y[i] = np.int8(moved if quotient == quotient else zero_point)


@jit
def look_up(x: Any, table: Any, y: Any) -> None:
    """``y = table[x]``: i8, all flat; the table begins with the entry of -128."""
    for i in range(x.shape[0]):
        y[i] = table[np.int64(x[i]) + 128]


@jit
def rescaled_sum(x: Any, y: Any, x_terms: Any, y_terms: Any, by: Any, z: Any) -> None:
    """``z = clip((x_terms[x] + y_terms[y]) * factor + zero point)``, flat; ``by`` holds the
    factor's mantissa and right shift, then zero point, low, high."""
    mantissa, right, zero_point, low, high = by[0], by[1], by[2], by[3], by[4]
    for i in range(x.shape[0]):
        total = x_terms[np.int64(x[i]) + 128] + y_terms[np.int64(y[i]) + 128]
        product = (total * mantissa + (1 << 30)) >> 31
        down = (product >> 63) & -min(right, 1)
        value = ((product + ((1 << right) >> 1) + down) >> right) + zero_point
        z[i] = np.int8(min(max(value, low), high))


@jit
def rescaled_product(x: Any, y: Any, points: Any, by: Any, z: Any) -> None:
    """``z = clip((x - x's zero point) * (y - y's zero point) * factor + zero point)``, flat;
    ``by`` holds mantissa, right shift, zero point, low, high, left shift."""
    mantissa, right, zero_point, low, high = by[0], by[1], by[2], by[3], by[4]
    left = by[5]
    for i in range(x.shape[0]):
        total = (np.int64(x[i]) - points[0]) * (np.int64(y[i]) - points[1])
        product = (np.int64(np.int32(total << left)) * mantissa + (1 << 30)) >> 31
        down = (product >> 63) & -min(right, 1)
        value = ((product + ((1 << right) >> 1) + down) >> right) + zero_point
        z[i] = np.int8(min(max(value, low), high))
