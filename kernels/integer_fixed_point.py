"""TFLite's fixed-point arithmetic on arrays of integers: multipliers, roundings, bounds.

A real factor M is held as Q * 2^(shift - 31), with Q in 2^30 … 2^31 (``QuantizeMultiplier``). A
product is rounded twice: by the high half of a doubling product with Q, halves up
(``SaturatingRoundingDoublingHighMul``), then by a right shift, halves away from zero
(``RoundingDivideByPOT``).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from edgec.ir import Array, Quant
from edgec.ir.ops.integer import ACTIVATIONS, HIGHEST, LOWEST

_HALF_Q31 = 1 << 30


class Factors(NamedTuple):
    """Real factors in fixed point, one per element: Q and the shift (left where positive)."""

    mantissas: Array
    shifts: Array


def factors(real: Array | np.floating[Any] | float) -> Factors:
    """The factors in fixed point; those below 2^-32 are 0."""
    fractions, exponents = np.frexp(np.atleast_1d(np.asarray(real, np.float64)))
    mantissas = np.floor(fractions * 2.0**31 + 0.5).astype(np.int64)
    full = mantissas == 1 << 31
    mantissas[full] >>= 1
    shifts = exponents.astype(np.int64) + full
    vanishing = shifts < -31
    return Factors(np.where(vanishing, 0, mantissas), np.where(vanishing, 0, shifts))


def multiplied(x: Array, by: Factors) -> Array:
    """x (int32 numbers) times the factors, broadcast, rounded twice; int64."""
    left, right = np.maximum(by.shifts, 0), np.maximum(-by.shifts, 0)
    wrapped = (x.astype(np.int64) << left).astype(np.int32).astype(np.int64)
    return shifted_right((wrapped * by.mantissas + _HALF_Q31) >> 31, right)


def shifted_right(x: Array, bits: Array | int) -> Array:
    """x / 2^bits, halves away from zero."""
    amount = np.asarray(bits, np.int64)
    half = (np.int64(1) << amount) >> 1
    result: Array = (x + half - ((x < 0) & (amount > 0))) >> amount
    return result


def high_product(a: Array | int, b: Array | int) -> Array:
    """The high half of 2ab for int32 numbers, halves up; it saturates where both are -2^31."""
    product = (np.asarray(a, np.int64) * np.asarray(b, np.int64) + _HALF_Q31) >> 31
    saturated: Array = np.minimum(product, np.int64(2**31 - 1))
    return saturated


def halves_away(x: Array) -> Array:
    """Rounded to integers, halves away from zero, in the type of x."""
    whole = np.trunc(x)
    away = np.abs(x - whole) >= x.dtype.type(0.5)
    rounded: Array = whole + np.copysign(away.astype(x.dtype), x)
    return rounded


def saturated(x: Array, low: int = LOWEST, high: int = HIGHEST) -> Array:
    """Clipped to low…high, as int8."""
    return np.clip(x, low, high).astype(np.int8)


def bounds(activation: str, quant: Quant) -> tuple[int, int]:
    """The least and the greatest integer of an activation's result on a grid."""
    scale, zero_point = np.float32(quant.scale[0]), quant.zero_point[0]
    low, high = (np.float32(bound) / scale for bound in ACTIVATIONS[activation])
    with np.errstate(invalid="ignore"):
        ends = np.clip(halves_away(np.asarray([low, high])), -(2.0**30), 2.0**30).astype(np.int64)
    return max(LOWEST, int(ends[0]) + zero_point), min(HIGHEST, int(ends[1]) + zero_point)


def scale_of(value: Any) -> np.float32:
    """The scale of a value on one grid."""
    return np.float32(value.type.quant.scale[0])


def zero_point_of(value: Any) -> int:
    """The zero point of a value on one grid."""
    return int(value.type.quant.zero_point[0])
