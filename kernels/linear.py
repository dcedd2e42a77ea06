"""Kernels of matrix products: BLAS, through numpy."""

from __future__ import annotations

import math

import numpy as np

from edgec.ir import Array
from edgec.ir.ops import Det, MatMul
from edgec.kernels.fused import apply_fused
from edgec.kernels.precision import rounded, widened, working
from edgec.kernels.table import KERNELS


@KERNELS.rule(MatMul)
def matmul(op: MatMul, a: Array, b: Array, bias: Array | None, *, out: Array | None) -> Array:
    """Floats accumulate in the working precision: at most K·u·Σ|a·b| away for K products.
    Integers wrap."""
    left, right = _matrix(a, op.transpose_a), _matrix(b, op.transpose_b)
    dtype = a.dtype
    direct = out is not None and out.dtype == working(dtype)
    with np.errstate(all="ignore"):
        y = np.asarray(_product(left, right, out if direct else None))
        if op.alpha != 1:
            np.multiply(y, y.dtype.type(op.alpha), out=y)
        if bias is not None:
            np.add(y, widened(bias), out=y)
        apply_fused(op.act, op.act_params, y)
    return y if y.dtype == dtype else rounded(y, dtype, out)


def _matrix(array: Array, transpose: bool) -> Array:
    wide = widened(array)
    return np.swapaxes(wide, -1, -2) if transpose else wide


def _product(a: Array, b: Array, out: Array | None) -> Array:
    """One large product where a stack of contiguous matrices meets a single one."""
    if a.ndim > 2 and b.ndim == 2 and a.flags.c_contiguous and a.size and b.size:
        shape = (*a.shape[:-1], b.shape[-1])
        rows = a.reshape(-1, a.shape[-1])
        flat = None if out is None else out.reshape(math.prod(shape[:-1]), shape[-1])
        return np.matmul(rows, b, out=flat).reshape(shape)
    return np.asarray(np.matmul(a, b, out=out))


@KERNELS.rule(Det)
def det(op: Det, x: Array) -> Array:
    """Computed in double precision."""
    with np.errstate(all="ignore"):
        found = np.linalg.det(x.astype(np.float64))
    return rounded(np.asarray(found), x.dtype)
