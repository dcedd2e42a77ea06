"""Kernels of softmax and its kin."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array
from edgec.ir.ops import Hardmax, LogSoftmax, Softmax
from edgec.kernels.precision import apply
from edgec.kernels.table import KERNELS


@KERNELS.rule(Softmax)
def softmax(op: Softmax, x: Array, *, out: Array | None) -> Array:
    """The sum is accumulated in double precision: at most 4 units in the last place away, plus
    u·|x - max| for the rounding of the exponent."""

    def compute(x: Array, *, out: Array) -> None:
        total = _exponentials(x, op.axis, out)
        np.divide(out, total.astype(out.dtype), out=out)

    return apply(compute, op.x.type.dtype, out, x)


@KERNELS.rule(LogSoftmax)
def log_softmax(op: LogSoftmax, x: Array, *, out: Array | None) -> Array:
    """The sum is accumulated in double precision: at most 2·u·|x - max| + 2·u away."""

    def compute(x: Array, *, out: Array) -> None:
        total = _exponentials(x, op.axis, out)
        np.subtract(x, _largest(x, op.axis), out=out)
        np.subtract(out, np.log(total).astype(out.dtype), out=out)

    return apply(compute, op.x.type.dtype, out, x)


def _largest(x: Array, axis: int) -> Array:
    found: Array = np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf)
    return found


def _exponentials(x: Array, axis: int, out: Array) -> Array:
    """``out`` = e**(x - max); their sum in double precision."""
    np.subtract(x, _largest(x, axis), out=out)
    np.exp(out, out=out)
    total: Array = np.add.reduce(out, axis=axis, keepdims=True, dtype=np.float64)
    return total


@KERNELS.rule(Hardmax)
def hardmax(op: Hardmax, x: Array, *, out: Array | None) -> Array:
    def compute(x: Array, *, out: Array) -> None:
        out[...] = 0
        if x.size:
            first = np.expand_dims(np.argmax(x, axis=op.axis), op.axis)
            np.put_along_axis(out, first, out.dtype.type(1), axis=op.axis)

    return apply(compute, op.x.type.dtype, out, x)
