"""Kernels of elementwise functions of two operands, and of the choice between two."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgec.ir import Array
from edgec.ir.ops import (
    Add,
    And,
    Binary,
    BitAnd,
    BitOr,
    BitXor,
    Div,
    Equal,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Maximum,
    Minimum,
    Mod,
    Mul,
    Or,
    Pow,
    Shift,
    Sub,
    Where,
    Xor,
)
from edgec.kernels.precision import apply, rounded, widened
from edgec.kernels.table import KERNELS, Kernel

UFUNCS: Mapping[type[Binary], np.ufunc] = {
    Add: np.add,
    And: np.logical_and,
    BitAnd: np.bitwise_and,
    BitOr: np.bitwise_or,
    BitXor: np.bitwise_xor,
    Equal: np.equal,
    Greater: np.greater,
    GreaterEqual: np.greater_equal,
    Less: np.less,
    LessEqual: np.less_equal,
    Maximum: np.maximum,
    Minimum: np.minimum,
    Mul: np.multiply,
    Or: np.logical_or,
    Sub: np.subtract,
    Xor: np.logical_xor,
}


def _ufunc_kernel(ufunc: np.ufunc) -> Kernel:
    def kernel(op: Binary, x: Array, y: Array, *, out: Array | None) -> Array:
        return apply(ufunc, op.result.type.dtype, out, x, y)

    return kernel


for _cls, _ufunc in UFUNCS.items():
    KERNELS.rule(_cls)(_ufunc_kernel(_ufunc))


@KERNELS.rule(Div)
def div(op: Div, x: Array, y: Array, *, out: Array | None) -> Array:
    function = np.divide if op.x.type.dtype.is_float else _divide_ints
    return apply(function, op.result.type.dtype, out, x, y)


def _divide_ints(x: Array, y: Array, *, out: Array) -> None:
    """numpy rounds down: one is added where that is not towards zero."""
    np.floor_divide(x, y, out=out)
    if out.dtype.kind == "i":
        inexact = np.multiply(out, y) != x
        np.add(out, 1, out=out, where=inexact & ((x < 0) != (y < 0)) & (y != 0))


@KERNELS.rule(Mod)
def mod(op: Mod, x: Array, y: Array, *, out: Array | None) -> Array:
    return apply(np.fmod if op.fmod else np.remainder, op.result.type.dtype, out, x, y)


@KERNELS.rule(Pow)
def power(op: Pow, x: Array, y: Array, *, out: Array | None) -> Array:
    """The C library's, at most 1 unit in the last place away; integers are exact (modulo their
    width), but for negative exponents, which are computed in double precision and truncated."""
    dtype = op.result.type.dtype
    if y.size == 1 and float(y.reshape(-1)[0]) == 2 and y.ndim <= x.ndim:
        return apply(np.square, dtype, out, x)
    if dtype.is_float:
        wide = widened(x)
        return apply(np.power, dtype, out, wide, widened(y).astype(wide.dtype, copy=False))
    if y.dtype.kind in "iu" and not (y < 0).any():
        return apply(np.power, dtype, out, x, y.astype(x.dtype))
    with np.errstate(all="ignore"):
        real = np.power(x.astype(np.float64), widened(y).astype(np.float64))
    return rounded(real, dtype.numpy, out)


@KERNELS.rule(Shift)
def shift(op: Shift, x: Array, y: Array, *, out: Array | None) -> Array:
    function = np.left_shift if op.left else np.right_shift
    return apply(function, op.result.type.dtype, out, x, y)


@KERNELS.rule(Where)
def where(op: Where, cond: Array, x: Array, y: Array, *, out: Array | None) -> Array:
    if out is None:
        return np.where(cond, x, y)
    np.copyto(out, y)
    np.copyto(out, x, where=cond)
    return out
