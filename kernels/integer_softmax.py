"""The fixed-point exponential and reciprocal of TFLite's softmax (gemmlowp's ``fixedpoint.h``).

Qm.n below has m integer bits and n = 31 - m fraction bits.
"""

from __future__ import annotations

import numpy as np

from edgec.ir import Array
from edgec.kernels.integer_fixed_point import factors, high_product, shifted_right

_SCALED_BITS = 5  # integer bits of the scaled differences
_SUM_BITS = 12  # integer bits of the sum
_ONE = 2**31 - 1  # in Q0.31
_EXP_EIGHTH = 1895147668  # e^(-1/8) in Q0.31
_THIRD = 715827883  # 1/3 in Q0.31
# e^(-2^k) in Q0.31, for k = -2 … 4.
_EXP_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
_START, _SLOPE = 1515870810, -1010580540  # 48/17 and -32/17 in Q2.29
_NEWTON_STEPS = 3


def exponentials(scale: np.float64) -> Array:
    """e^(-scale * d) in Q0.31 for d = 0 … 255, 0 where it is too small to count."""
    real = min(float(scale) * 2.0 ** (31 - _SCALED_BITS), 2.0**31 - 1)
    by = factors(real)
    shift = int(by.shifts[0])
    most = ((1 << _SCALED_BITS) - 1) << (31 - _SCALED_BITS)
    least = -int(np.floor(most / 2.0**shift))
    differences = -np.arange(256, dtype=np.int64)
    scaled = high_product(np.maximum(differences, least) << shift, by.mantissas)
    return np.where(differences >= least, _exp_of_negative(scaled), 0)


def _exp_of_negative(a: Array) -> Array:
    """e^a in Q0.31 for a <= 0 in Q5.26: of the remainder to a multiple of 1/4 by a polynomial, of
    each bit of that multiple by a constant."""
    fraction_bits = 31 - _SCALED_BITS
    quarter = np.int64(1 << (fraction_bits - 2))
    remainder = (a & (quarter - 1)) - quarter
    result = _exp_of_quarter(remainder << _SCALED_BITS)
    bits = remainder - a
    for exponent, power in zip(range(-2, 5), _EXP_POWERS, strict=True):
        place = np.int64(1 << (fraction_bits + exponent))
        result = np.where(bits & place, high_product(result, power), result)
    return np.where(a == 0, _ONE, result)


def _exp_of_quarter(a: Array) -> Array:
    """e^a for a in -1/4 … 0, both in Q0.31, by its Taylor polynomial around -1/8."""
    u = a + (1 << 28)
    second = high_product(u, u)
    third, fourth = high_product(second, u), high_product(second, second)
    inner = high_product(shifted_right(fourth, 2) + third, _THIRD)
    tail = shifted_right(inner + second, 1)
    return _EXP_EIGHTH + high_product(_EXP_EIGHTH, u + tail)


def reciprocal(total: Array) -> tuple[Array, Array]:
    """1 / total of a sum in Q12.19, as a number in Q0.31 in 1/2 … 1 and the bits to shift it right
    by."""
    lengths = np.frexp(np.maximum(total, 1).astype(np.float64))[1].astype(np.int64)
    headroom = 32 - lengths  # leading zeros of 32 bits
    normal = (total << headroom) - (np.int64(1) << 31)
    half = (normal + _ONE + np.where(normal + _ONE >= 0, 1, -1)) // 2
    x = _START + high_product(half, _SLOPE)
    for _ in range(_NEWTON_STEPS):
        rest = (1 << 29) - high_product(half, x)
        x = x + _saturated_shift(high_product(x, rest), 2)
    return _saturated_shift(x, 1), _SUM_BITS - headroom


def share(inverse: Array, exponential: Array, bits: Array) -> Array:
    """exponential / total in 1/256, by the reciprocal."""
    return shifted_right(high_product(inverse, exponential), bits + 31 - 8)


def _saturated_shift(x: Array, bits: int) -> Array:
    shifted: Array = np.clip(x << bits, -(2**31), 2**31 - 1)
    return shifted
