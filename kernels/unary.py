"""Kernels of elementwise functions of one operand."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

import numpy as np

from edgec.ir import Array
from edgec.ir.ops import (
    Abs,
    Acos,
    Acosh,
    Asin,
    Asinh,
    Atan,
    Atanh,
    Bitcast,
    BitNot,
    Cast,
    Ceil,
    Clip,
    Cos,
    Cosh,
    Erf,
    Exp,
    Floor,
    IsInf,
    IsNan,
    Log,
    Neg,
    Not,
    Reciprocal,
    Round,
    Sign,
    Sin,
    Sinh,
    Sqrt,
    Tan,
    Unary,
)
from edgec.kernels.convert import converted
from edgec.kernels.precision import apply, working
from edgec.kernels.table import KERNELS, Kernel

UFUNCS: Mapping[type[Unary], np.ufunc] = {
    Abs: np.absolute,
    Acos: np.arccos,
    Acosh: np.arccosh,
    Asin: np.arcsin,
    Asinh: np.arcsinh,
    Atan: np.arctan,
    Atanh: np.arctanh,
    BitNot: np.invert,
    Ceil: np.ceil,
    Cos: np.cos,
    Cosh: np.cosh,
    Exp: np.exp,
    Floor: np.floor,
    IsNan: np.isnan,
    Log: np.log,
    Neg: np.negative,
    Not: np.logical_not,
    Reciprocal: np.reciprocal,
    Round: np.rint,
    Sign: np.sign,
    Sin: np.sin,
    Sinh: np.sinh,
    Sqrt: np.sqrt,
    Tan: np.tan,
}


def _ufunc_kernel(ufunc: np.ufunc) -> Kernel:
    def kernel(op: Unary, x: Array, *, out: Array | None) -> Array:
        """numpy's, at most 4 units in the last place away."""
        return apply(ufunc, op.result.type.dtype, out, x)

    return kernel


for _cls, _ufunc in UFUNCS.items():
    KERNELS.rule(_cls)(_ufunc_kernel(_ufunc))


@KERNELS.rule(Erf)
def erf(op: Erf, x: Array, *, out: Array | None) -> Array:
    """Computed in double precision and rounded once (see ``loops/erf.py``)."""
    from edgec.kernels.loops import erf as loops  # numba is imported on first need

    return apply(loops.erf, op.result.type.dtype, out, x)


@KERNELS.rule(IsInf)
def is_inf(op: IsInf, x: Array, *, out: Array | None) -> Array:
    def compute(x: Array, *, out: Array) -> None:
        if op.negative and op.positive:
            np.isinf(x, out=out)
        elif op.negative or op.positive:
            np.equal(x, inf if op.positive else -inf, out=out)
        else:
            out[...] = False

    return apply(compute, op.result.type.dtype, out, x)


@KERNELS.rule(Clip)
def clip(op: Clip, x: Array, *, out: Array | None) -> Array:
    scalar = working(x.dtype).type
    low, high = (scalar(bound) for bound in bounds(op))

    def compute(x: Array, *, out: Array) -> None:
        np.clip(x, low, high, out=out)

    return apply(compute, op.result.type.dtype, out, x)


def bounds(op: Clip) -> tuple[float, float]:
    """The bounds, brought into the range of the element type."""
    dtype = op.x.type.dtype
    lowest, highest = (-inf, inf) if dtype.is_float else dtype.limits
    return min(max(op.low, lowest), highest), min(max(op.high, lowest), highest)


@KERNELS.rule(Cast)
def cast(op: Cast, x: Array, *, out: Array | None) -> Array:
    return converted(x, op.to, saturate=op.saturate, round_mode=op.round_mode, out=out)


@KERNELS.rule(Bitcast)
def bitcast(op: Bitcast, x: Array) -> Array:
    return np.array(x, order="C").view(op.to.numpy)
