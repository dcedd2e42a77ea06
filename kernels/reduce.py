"""Kernels of the reductions over axes."""

from __future__ import annotations

import math

import numpy as np

from edgec.ir import Array, Ints
from edgec.ir.ops import (
    Reduce,
    ReduceL1,
    ReduceL2,
    ReduceLogSum,
    ReduceLogSumExp,
    ReduceMax,
    ReduceMean,
    ReduceMin,
    ReduceProd,
    ReduceSum,
    ReduceSumSquare,
)
from edgec.kernels.precision import rounded, widened
from edgec.kernels.table import KERNELS

_BLOCK = 256  # elements summed in float32 before double precision takes over


@KERNELS.rule(ReduceSum)
def reduce_sum(op: ReduceSum, x: Array, *, out: Array | None) -> Array:
    """Error: see ``total``; integers wrap."""
    return _finished(op, total(widened(x), op.axes), out)


@KERNELS.rule(ReduceMean)
def reduce_mean(op: ReduceMean, x: Array, *, out: Array | None) -> Array:
    """Error: see ``total``; NaN for a float mean of nothing."""
    count = math.prod(x.shape[axis] for axis in op.axes)
    if op.x.type.dtype.is_float:
        with np.errstate(all="ignore"):
            return _finished(op, total(widened(x), op.axes) / count, out)
    wide = np.int64 if op.x.type.dtype.is_signed else np.uint64
    summed = np.add.reduce(x, axis=op.axes, keepdims=True, dtype=wide)
    magnitude = np.abs(summed) // max(count, 1)
    return _finished(op, np.sign(summed) * magnitude, out)


@KERNELS.rule(ReduceMax)
def reduce_max(op: ReduceMax, x: Array, *, out: Array | None) -> Array:
    return _extreme(op, np.maximum, x, -math.inf, out)


@KERNELS.rule(ReduceMin)
def reduce_min(op: ReduceMin, x: Array, *, out: Array | None) -> Array:
    return _extreme(op, np.minimum, x, math.inf, out)


def _extreme(op: Reduce, ufunc: np.ufunc, x: Array, neutral: float, out: Array | None) -> Array:
    dtype = op.x.type.dtype
    if x.size:
        return _finished(op, ufunc.reduce(widened(x), axis=op.axes, keepdims=True), out)
    if not dtype.is_float:
        neutral = dtype.limits[neutral > 0]
    shape = tuple(1 if axis in op.axes else dim for axis, dim in enumerate(x.shape))
    return _finished(op, np.full(shape, neutral, dtype=dtype.numpy), out)


@KERNELS.rule(ReduceProd)
def reduce_prod(op: ReduceProd, x: Array, *, out: Array | None) -> Array:
    """Accumulates in double precision; integers wrap."""
    wide = np.float64 if op.x.type.dtype.is_float else x.dtype
    with np.errstate(all="ignore"):
        product = np.multiply.reduce(x, axis=op.axes, keepdims=True, dtype=wide)
    return _finished(op, product, out)


@KERNELS.rule(ReduceL1)
def reduce_l1(op: ReduceL1, x: Array, *, out: Array | None) -> Array:
    """Error: see ``total``; integers wrap."""
    return _finished(op, total(np.absolute(widened(x)), op.axes), out)


@KERNELS.rule(ReduceL2)
def reduce_l2(op: ReduceL2, x: Array, *, out: Array | None) -> Array:
    """Accumulates in double precision; an integer result is truncated."""
    squares = np.square(x.astype(np.float64))
    return _finished(op, np.sqrt(total(squares, op.axes)), out)


@KERNELS.rule(ReduceSumSquare)
def reduce_sum_square(op: ReduceSumSquare, x: Array, *, out: Array | None) -> Array:
    """Accumulates in double precision; integers wrap."""
    wide = x.astype(np.float64) if op.x.type.dtype.is_float else x
    with np.errstate(all="ignore"):
        return _finished(op, total(np.square(wide), op.axes), out)


@KERNELS.rule(ReduceLogSum)
def reduce_log_sum(op: ReduceLogSum, x: Array, *, out: Array | None) -> Array:
    """Error: that of ``total``, relative to the sum."""
    with np.errstate(all="ignore"):
        return _finished(op, np.log(total(widened(x), op.axes)), out)


@KERNELS.rule(ReduceLogSumExp)
def reduce_log_sum_exp(op: ReduceLogSumExp, x: Array, *, out: Array | None) -> Array:
    """Computed in double precision, shifted by the largest element, so that nothing overflows."""
    wide = x.astype(np.float64)
    largest = np.maximum.reduce(wide, axis=op.axes, keepdims=True, initial=-math.inf)
    shift = np.where(np.isfinite(largest), largest, 0)
    with np.errstate(all="ignore"):
        summed = np.add.reduce(np.exp(wide - shift), axis=op.axes, keepdims=True)
        return _finished(op, np.log(summed) + shift, out)


def total(x: Array, axes: Ints) -> Array:
    """The sum over axes, which become 1: of floats in float64, of integers in their own type.

    float32 is first summed in blocks of 256 where the axes are the last ones: at most
    u·256·Σ|x| away, u = 2**-24 (measured: 2·u·Σ|x|, as the block runs in vector lanes); elsewhere
    the sum is accumulated in double precision.
    """
    if x.dtype.kind != "f":
        return np.asarray(np.add.reduce(x, axis=axes, keepdims=True, dtype=x.dtype))
    last = axes == tuple(range(x.ndim - len(axes), x.ndim))
    with np.errstate(all="ignore"):
        if last and axes and x.dtype == np.float32 and x.flags.c_contiguous:
            return _blocked_total(x, len(axes))
        return np.asarray(np.add.reduce(x, axis=axes, keepdims=True, dtype=np.float64))


def _blocked_total(x: Array, count: int) -> Array:
    """Blocks are summed by a matrix product with ones, which runs at the speed of memory."""
    rows = x.shape[: x.ndim - count]
    flat = x.reshape(math.prod(rows), math.prod(x.shape[x.ndim - count :]))
    blocks, rest = divmod(flat.shape[1], _BLOCK)
    summed = np.add.reduce(flat[:, flat.shape[1] - rest :], axis=1, dtype=np.float64)
    if blocks:
        whole = flat[:, : blocks * _BLOCK].reshape(-1, blocks, _BLOCK)
        partial = whole @ np.ones(_BLOCK, dtype=np.float32)
        summed += np.add.reduce(partial, axis=1, dtype=np.float64)
    return np.asarray(summed.reshape((*rows, *(1,) * count)))


def _finished(op: Reduce, reduced: Array, out: Array | None) -> Array:
    """The result, rounded once, with its axes dropped unless they are kept."""
    dropped = reduced if op.keepdims else np.squeeze(reduced, axis=op.axes)
    return rounded(np.asarray(dropped), op.result.type.dtype.numpy, out)
