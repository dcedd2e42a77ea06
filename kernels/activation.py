"""Kernels of the elementwise activations, in numpy expressions that write in place."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array
from edgec.ir.ops import (
    Celu,
    Elu,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Mish,
    PRelu,
    Relu,
    Selu,
    Shrink,
    Sigmoid,
    Silu,
    Softplus,
    Softsign,
    Tanh,
    ThresholdedRelu,
)
from edgec.kernels.precision import apply, rounded
from edgec.kernels.table import KERNELS

_SQRT_2_OVER_PI = 0.7978845608028654


@KERNELS.rule(Relu)
def relu(op: Relu, x: Array, *, out: Array | None) -> Array:
    return apply(_relu, op.x.type.dtype, out, x)


def _relu(x: Array, *, out: Array) -> None:
    """numpy's clip is three times as fast as its maximum with a scalar."""
    if x.dtype.kind == "f":
        np.clip(x, x.dtype.type(0), x.dtype.type(np.inf), out=out)
    else:
        np.maximum(x, x.dtype.type(0), out=out)


@KERNELS.rule(LeakyRelu)
def leaky_relu(op: LeakyRelu, x: Array, *, out: Array | None) -> Array:
    def compute(x: Array, *, out: Array) -> None:
        np.multiply(x, x.dtype.type(op.alpha), out=out)
        if 0 < op.alpha <= 1:
            np.maximum(x, out, out=out)
        else:
            np.copyto(out, x, where=x >= 0)

    return apply(compute, op.x.type.dtype, out, x)


@KERNELS.rule(PRelu)
def prelu(op: PRelu, x: Array, slope: Array, *, out: Array | None) -> Array:
    def compute(x: Array, slope: Array, *, out: Array) -> None:
        np.multiply(x, slope, out=out)
        np.copyto(out, x, where=x >= 0)

    return apply(compute, op.x.type.dtype, out, x, slope)


@KERNELS.rule(Elu)
def elu(op: Elu, x: Array, *, out: Array | None) -> Array:
    def compute(x: Array, *, out: Array) -> None:
        _exponential_unit(x, op.alpha, 1.0, out)

    return apply(compute, op.x.type.dtype, out, x)


@KERNELS.rule(Selu)
def selu(op: Selu, x: Array, *, out: Array | None) -> Array:
    def compute(x: Array, *, out: Array) -> None:
        _exponential_unit(x, op.alpha, 1.0, out)
        np.multiply(out, out.dtype.type(op.gamma), out=out)

    return apply(compute, op.x.type.dtype, out, x)


@KERNELS.rule(Celu)
def celu(op: Celu, x: Array, *, out: Array | None) -> Array:
    def compute(x: Array, *, out: Array) -> None:
        _exponential_unit(x, op.alpha, op.alpha, out)

    return apply(compute, op.x.type.dtype, out, x)


def _exponential_unit(x: Array, alpha: float, width: float, out: Array) -> None:
    """alpha * (e**(x / width) - 1) below zero, x above."""
    np.minimum(x, x.dtype.type(0), out=out)
    if width != 1:
        np.divide(out, out.dtype.type(width), out=out)
    np.expm1(out, out=out)
    np.multiply(out, out.dtype.type(alpha), out=out)
    np.copyto(out, x, where=x > 0)


@KERNELS.rule(Sigmoid)
def sigmoid(op: Sigmoid, x: Array, *, out: Array | None) -> Array:
    """At most 3 units in the last place away; 0 below the smallest normal number."""
    return apply(_sigmoid, op.x.type.dtype, out, x)


def _sigmoid(x: Array, *, out: Array) -> None:
    _one_plus_exp(x, -1.0, out)
    np.reciprocal(out, out=out)


@KERNELS.rule(Silu)
def silu(op: Silu, x: Array, *, out: Array | None) -> Array:
    """At most 4 units in the last place away."""

    def compute(x: Array, *, out: Array) -> None:
        _one_plus_exp(x, -op.alpha, out)
        np.divide(x, out, out=out)

    return apply(compute, op.x.type.dtype, out, x)


def _one_plus_exp(x: Array, factor: float, out: Array) -> None:
    np.multiply(x, x.dtype.type(factor), out=out)
    np.exp(out, out=out)
    np.add(out, out.dtype.type(1), out=out)


@KERNELS.rule(Tanh)
def tanh(op: Tanh, x: Array, *, out: Array | None) -> Array:
    return apply(np.tanh, op.x.type.dtype, out, x)


@KERNELS.rule(HardSigmoid)
def hard_sigmoid(op: HardSigmoid, x: Array, *, out: Array | None) -> Array:
    def compute(x: Array, *, out: Array) -> None:
        _ramp(x, op.alpha, op.beta, out)

    return apply(compute, op.x.type.dtype, out, x)


@KERNELS.rule(HardSwish)
def hard_swish(op: HardSwish, x: Array, *, out: Array | None) -> Array:
    def compute(x: Array, *, out: Array) -> None:
        _ramp(x, 1 / 6, 0.5, out)
        np.multiply(out, x, out=out)

    return apply(compute, op.x.type.dtype, out, x)


def _ramp(x: Array, alpha: float, beta: float, out: Array) -> None:
    """min(max(alpha * x + beta, 0), 1)"""
    scalar = x.dtype.type
    np.multiply(x, scalar(alpha), out=out)
    np.add(out, scalar(beta), out=out)
    np.clip(out, scalar(0), scalar(1), out=out)


@KERNELS.rule(Softplus)
def softplus(op: Softplus, x: Array, *, out: Array | None) -> Array:
    def compute(x: Array, *, out: Array) -> None:
        np.logaddexp(x, x.dtype.type(0), out=out)

    return apply(compute, op.x.type.dtype, out, x)


@KERNELS.rule(Softsign)
def softsign(op: Softsign, x: Array, *, out: Array | None) -> Array:
    def compute(x: Array, *, out: Array) -> None:
        np.absolute(x, out=out)
        np.add(out, out.dtype.type(1), out=out)
        np.divide(x, out, out=out)

    return apply(compute, op.x.type.dtype, out, x)


@KERNELS.rule(Gelu)
def gelu(op: Gelu, x: Array, *, out: Array | None) -> Array:
    """The exact form is at most 1e-10 away before it is rounded (see ``loops/erf.py``), the tanh
    form 4·u·|x|."""
    if op.approximate == "tanh":
        return apply(_gelu_tanh, op.x.type.dtype, out, x)
    from edgec.kernels.loops import erf as loops  # numba is imported on first need

    return apply(loops.gelu, op.x.type.dtype, out, x)


def _gelu_tanh(x: Array, *, out: Array) -> None:
    scalar = x.dtype.type
    np.square(x, out=out)
    np.multiply(out, scalar(0.044715), out=out)
    np.add(out, scalar(1), out=out)
    np.multiply(out, x, out=out)
    np.multiply(out, scalar(_SQRT_2_OVER_PI), out=out)
    np.tanh(out, out=out)
    np.add(out, scalar(1), out=out)
    np.multiply(out, x, out=out)
    np.multiply(out, scalar(0.5), out=out)


@KERNELS.rule(Mish)
def mish(op: Mish, x: Array, *, out: Array | None) -> Array:
    """tanh(log(1 + t)) = n / (n + 2) with t = e**x and n = t * (t + 2); from x = 30 on it is 1."""

    def compute(x: Array, *, out: Array) -> None:
        scalar = x.dtype.type
        np.minimum(x, scalar(30), out=out)
        np.exp(out, out=out)
        np.multiply(out, out + scalar(2), out=out)
        np.divide(out, out + scalar(2), out=out)
        np.multiply(out, x, out=out)

    return apply(compute, op.x.type.dtype, out, x)


@KERNELS.rule(ThresholdedRelu)
def thresholded_relu(op: ThresholdedRelu, x: Array, *, out: Array | None) -> Array:
    def compute(x: Array, *, out: Array) -> None:
        out[...] = 0
        np.copyto(out, x, where=x > x.dtype.type(op.alpha))

    return apply(compute, op.x.type.dtype, out, x)


@KERNELS.rule(Shrink)
def shrink(op: Shrink, x: Array, *, out: Array | None) -> Array:
    if not op.x.type.dtype.is_float:
        wide = x.astype(np.float64)
        return rounded(_shrunk(wide, op, np.zeros_like(wide)), x.dtype, out)

    def compute(x: Array, *, out: Array) -> None:
        out[...] = 0
        _shrunk(x, op, out)

    return apply(compute, op.x.type.dtype, out, x)


def _shrunk(x: Array, op: Shrink, out: Array) -> Array:
    scalar = x.dtype.type
    np.add(x, scalar(op.bias), out=out, where=x < scalar(-op.lambd))
    np.subtract(x, scalar(op.bias), out=out, where=x > scalar(op.lambd))
    return out
