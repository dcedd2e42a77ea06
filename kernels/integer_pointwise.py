"""Kernels of functions of single quantized integers, bit by bit as LiteRT's reference kernels.

Each is a table of 256 results; softmax is one of 256 exponentials, and a sum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import erfc
from typing import Any, TypeAlias

import numpy as np

from edgec.ir import Array, Op
from edgec.ir.ops import (
    IntegerHardSwish,
    IntegerLeakyRelu,
    IntegerLookup,
    IntegerRequantize,
    IntegerSoftmax,
)
from edgec.kernels.integer_fixed_point import (
    bounds,
    factors,
    halves_away,
    multiplied,
    saturated,
    scale_of,
    shifted_right,
    zero_point_of,
)
from edgec.kernels.integer_memo import Memo
from edgec.kernels.integer_softmax import exponentials, reciprocal, share
from edgec.kernels.table import KERNELS

Pointwise: TypeAlias = (
    IntegerHardSwish | IntegerLeakyRelu | IntegerLookup | IntegerRequantize
)  # fmt: skip

_TABLES: Memo[Array] = Memo()
_ALL = np.arange(-128, 128)
_F32 = np.float32


@KERNELS.rule(IntegerRequantize, IntegerLookup, IntegerLeakyRelu, IntegerHardSwish)
def pointwise(op: Pointwise, x: Array, *, out: Array | None) -> Array:
    """Looked up in a table of the op's results for all 256 integers."""
    from edgec.kernels.loops.integer_pairs import look_up

    table = _TABLES.of(op, lambda: _MAKERS[type(op)](op))
    y = np.empty(x.shape, np.int8) if out is None else out
    look_up(np.ascontiguousarray(x).reshape(-1), table, y.reshape(-1))
    return y


def _requantized(op: IntegerRequantize) -> Array:
    """With an activation the factor is a quotient of float32 numbers, as in RELU; else of doubles,
    as in QUANTIZE."""
    given, wanted = scale_of(op.x), _F32(op.scale)
    real = given / wanted if op.activation != "none" else np.float64(given) / np.float64(wanted)
    y = multiplied(_ALL - zero_point_of(op.x), factors(real)) + op.zero_point
    return saturated(y, *bounds(op.activation, op.grid))


def _function(op: IntegerLookup) -> Array:
    """In float32, the function itself in double precision and rounded."""
    real = scale_of(op.x) * (_ALL - zero_point_of(op.x)).astype(_F32)
    with np.errstate(over="ignore"):
        value = _FUNCTIONS[op.function](real.astype(np.float64)).astype(_F32)
        steps = halves_away(value * (_F32(1) / _F32(op.scale)))
    return saturated(steps + _F32(op.zero_point))


_FUNCTIONS: Mapping[str, Callable[[Array], Array]] = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "exp": np.exp,
    "elu": lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0)), x),
    "gelu": lambda x: x * 0.5 * np.vectorize(erfc)(-x * np.sqrt(0.5)),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
}


def _leaking(op: IntegerLeakyRelu) -> Array:
    """Two factors, quotients of float32 numbers: for what is negative, and for the rest."""
    steps = _ALL - zero_point_of(op.x)
    identity = factors(scale_of(op.x) / _F32(op.scale))
    falling = factors(scale_of(op.x) * _F32(op.alpha) / _F32(op.scale))
    y = np.where(steps >= 0, multiplied(steps, identity), multiplied(steps, falling))
    return saturated(y + op.zero_point)


def _hard_swish(op: IntegerHardSwish) -> Array:
    """In 16 bits: x in 1/128 steps, times a gate in steps of 2^-15."""
    fine = (_ALL - zero_point_of(op.x)) << 7
    step = _F32(1 / 128) * scale_of(op.x)
    scale, scale_shift = _narrow(step / _F32(op.scale))
    slope, slope_shift = _narrow(step / _F32(3 / 32768))
    gate = fine
    if slope_shift > 0:
        gate = np.clip(gate << (slope_shift - 1), -(1 << 15), (1 << 15) - 1)
    gate = _high16(gate, slope)
    if slope_shift > 0:
        gate = np.clip(gate << 1, -(1 << 15), (1 << 15) - 1)
    elif slope_shift < 0:
        gate = shifted_right(gate, -slope_shift)
    gate = (gate + (1 << 15)) >> 1
    product = gate * _high16(fine, scale)
    truncated = np.where(product < 0, -(-product >> 15), product >> 15)
    return saturated(shifted_right(truncated, -scale_shift) + op.zero_point)


_MAKERS: Mapping[type[Op], Callable[[Any], Array]] = {
    IntegerHardSwish: _hard_swish,
    IntegerLeakyRelu: _leaking,
    IntegerLookup: _function,
    IntegerRequantize: _requantized,
}


def _narrow(real: np.float32) -> tuple[int, int]:
    """A factor with a mantissa of 16 bits, and its shift."""
    by = factors(real)
    mantissa = int(by.mantissas[0])
    narrow = (1 << 15) - 1 if mantissa >= (1 << 31) - (1 << 15) else (mantissa + (1 << 15)) >> 16
    return narrow, int(by.shifts[0])


def _high16(x: Array, by: int) -> Array:
    """The high half of a doubling 16-bit product, halves up."""
    return (x * by + (1 << 14)) >> 15


@KERNELS.rule(IntegerSoftmax)
def softmax(op: IntegerSoftmax, x: Array) -> Array:
    """In fixed point, see ``kernels/integer_softmax.py``."""
    largest = x.max(axis=op.axis, keepdims=True) if x.size else x
    below = largest.astype(np.int64) - x
    scale = op.beta * np.float64(scale_of(op.x))
    found = _TABLES.of(op, lambda: exponentials(scale))[below]
    total = shifted_right(found, 12).sum(axis=op.axis, keepdims=True)
    inverse, bits = reciprocal(total)
    return saturated(share(inverse, found, bits) - 128)
