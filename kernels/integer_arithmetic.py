"""Kernels of the arithmetic of quantized integers, bit by bit as LiteRT's reference kernels."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array, Value
from edgec.ir.ops import IntegerAdd, IntegerBinary, IntegerMean, IntegerMul, IntegerSub
from edgec.ir.ops.integer_arithmetic import LEFT_SHIFT
from edgec.kernels.integer_fixed_point import (
    Factors,
    bounds,
    factors,
    multiplied,
    saturated,
    scale_of,
    zero_point_of,
)
from edgec.kernels.integer_memo import Memo
from edgec.kernels.table import KERNELS

_TABLES: Memo[tuple[Array, ...]] = Memo()


@KERNELS.rule(IntegerAdd, IntegerSub)
def add(op: IntegerAdd | IntegerSub, x: Array, y: Array, *, out: Array | None) -> Array:
    """Both operands in steps of 2^-20 of twice the larger scale, their sum rescaled."""
    from edgec.kernels.loops.integer_pairs import rescaled_sum

    x_terms, y_terms, numbers = _TABLES.of(op, lambda: _sum_tables(op))
    z = _target(op, x, y, out)
    rescaled_sum(_spread(x, z), _spread(y, z), x_terms, y_terms, numbers, z.reshape(-1))
    return z


def _sum_tables(op: IntegerAdd | IntegerSub) -> tuple[Array, ...]:
    twice = 2 * np.float64(max(scale_of(op.x), scale_of(op.y)))
    x_terms, y_terms = _terms(op.x, twice), _terms(op.y, twice)
    by = factors(twice / np.float64(np.float32(2**LEFT_SHIFT) * np.float32(op.scale)))
    return x_terms, -y_terms if isinstance(op, IntegerSub) else y_terms, _numbers(op, by)


@KERNELS.rule(IntegerMul)
def mul(op: IntegerMul, x: Array, y: Array, *, out: Array | None) -> Array:
    """The factor is a product and a quotient of float32 numbers."""
    from edgec.kernels.loops.integer_pairs import rescaled_product

    points, numbers = _TABLES.of(op, lambda: _product_tables(op))
    z = _target(op, x, y, out)
    rescaled_product(_spread(x, z), _spread(y, z), points, numbers, z.reshape(-1))
    return z


def _product_tables(op: IntegerMul) -> tuple[Array, ...]:
    by = factors(scale_of(op.x) * scale_of(op.y) / np.float32(op.scale))
    points = np.array([zero_point_of(op.x), zero_point_of(op.y)], np.int64)
    return points, _numbers(op, by)


@KERNELS.rule(IntegerMean)
def mean(op: IntegerMean, x: Array) -> Array:
    """The division by the number of elements is part of the factor."""
    count = int(np.prod([x.shape[axis] for axis in op.axes]))
    total = x.sum(axis=op.axes, keepdims=op.keepdims, dtype=np.int64)
    total -= zero_point_of(op.x) * count
    by = _per_element(factors(np.float64(scale_of(op.x)) / np.float64(op.scale)), count)
    y = multiplied(total, by).reshape(total.shape)
    return saturated(y + op.zero_point)


def _per_element(by: Factors, count: int) -> Factors:
    """A factor divided by a number of elements, as many bits kept as fit."""
    mantissa, shift = int(by.mantissas[0]), int(by.shifts[0])
    kept = max(0, min(count.bit_length() - 1, 32, 31 + shift))
    return Factors(np.array([(mantissa << kept) // max(count, 1)]), np.array([shift - kept]))


def _terms(value: Value, twice: np.float64) -> Array:
    """What each of the 256 integers of an operand adds to a sum."""
    steps = (np.arange(-128, 128) - zero_point_of(value)) << LEFT_SHIFT
    return multiplied(steps, factors(np.float64(scale_of(value)) / twice))


def _numbers(op: IntegerBinary, by: Factors) -> Array:
    """What the loops need to know of the factor and the result."""
    shift = int(by.shifts[0])
    low, high = bounds(op.activation, op.grid)
    return np.array(
        [by.mantissas[0], max(-shift, 0), op.zero_point, low, high, max(shift, 0)], np.int64
    )


def _target(op: IntegerBinary, x: Array, y: Array, out: Array | None) -> Array:
    return np.empty(np.broadcast_shapes(x.shape, y.shape), np.int8) if out is None else out


def _spread(x: Array, like: Array) -> Array:
    """Flat, as if broadcast to that array's shape."""
    return np.ascontiguousarray(np.broadcast_to(x, like.shape)).reshape(-1)
