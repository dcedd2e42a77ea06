"""Kernels of arg max and min, running sums and running products."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array
from edgec.ir.ops import ArgMax, ArgMin, CumProd, CumSum
from edgec.kernels.precision import rounded, widened
from edgec.kernels.table import KERNELS


@KERNELS.rule(ArgMax, ArgMin)
def arg_extreme(op: ArgMax | ArgMin, x: Array) -> Array:
    wide = widened(x)
    find = np.argmax if isinstance(op, ArgMax) else np.argmin
    if op.last:
        flipped = find(np.flip(wide, op.axis), axis=op.axis)
        found = x.shape[op.axis] - 1 - flipped
    else:
        found = find(wide, axis=op.axis)
    positions = np.asarray(found, dtype=np.int64)
    return np.expand_dims(positions, op.axis) if op.keepdims else positions


@KERNELS.rule(CumSum)
def cum_sum(op: CumSum, x: Array, *, out: Array | None) -> Array:
    """Accumulates in double precision; integers wrap."""
    return _running(op, np.add, 0, x, out)


@KERNELS.rule(CumProd)
def cum_prod(op: CumProd, x: Array, *, out: Array | None) -> Array:
    """Accumulates in double precision; integers wrap."""
    return _running(op, np.multiply, 1, x, out)


def _running(
    op: CumSum | CumProd, ufunc: np.ufunc, neutral: int, x: Array, out: Array | None
) -> Array:
    wide = np.float64 if op.x.type.dtype.is_float else x.dtype
    source = np.flip(x, op.axis) if op.reverse else x
    with np.errstate(all="ignore"):
        found = ufunc.accumulate(source, axis=op.axis, dtype=wide)
    if op.exclusive:
        shifted = np.full_like(found, neutral)
        before, after = [slice(None)] * x.ndim, [slice(None)] * x.ndim
        before[op.axis], after[op.axis] = slice(None, -1), slice(1, None)
        shifted[tuple(after)] = found[tuple(before)]
        found = shifted
    return rounded(np.flip(found, op.axis) if op.reverse else found, x.dtype, out)
