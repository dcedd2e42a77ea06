"""Elementwise activations."""

from __future__ import annotations

from collections.abc import Mapping

from edgec.ir.ops import (
    Activation,
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
from edgec.lowering.tflite.fused import fused, hard_sigmoid
from edgec.lowering.tflite.legalize import (
    INFINITY,
    binary,
    clipped,
    compared,
    scaled,
    selected,
    shifted,
)
from edgec.lowering.tflite.shapes import reshaped
from edgec.lowering.tflite.table import TFLITE
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer

NAMES: Mapping[type[Activation], str] = {
    HardSwish: "HARD_SWISH",
    Sigmoid: "LOGISTIC",
    Tanh: "TANH",
}


@TFLITE.rule(*NAMES)
def activation(op: Activation, w: Writer) -> Tensor:
    return w.op(NAMES[type(op)], w[op.x])


@TFLITE.rule(Relu)
def relu(op: Relu, w: Writer) -> Tensor:
    found = fused(op.x, 0.0, INFINITY, w)
    return clipped(w[op.x], 0.0, INFINITY, w) if found is None else found


@TFLITE.rule(LeakyRelu)
def leaky_relu(op: LeakyRelu, w: Writer) -> Tensor:
    return w.op("LEAKY_RELU", w[op.x], alpha=op.alpha)


@TFLITE.rule(PRelu)
def prelu(op: PRelu, w: Writer) -> Tensor:
    """By PRELU where its kernel broadcasts (x must have the larger dims), for floats of four dims
    at most; else by choosing."""
    x, slope = w[op.x], w[op.slope]
    if x.dtype.is_float and 1 <= x.rank <= 4:
        return w.op("PRELU", x, reshaped(slope, (*(1,) * (x.rank - slope.rank), *slope.dims), w))
    negative = binary("MUL", x, slope, w)
    return selected(compared("LESS", x, w.like(0, x), w), negative, x, w)


@TFLITE.rule(Elu)
def elu(op: Elu, w: Writer) -> Tensor:
    if op.alpha == 1:
        return w.op("ELU", w[op.x])
    return _exponential(w[op.x], 1.0, op.alpha, w)


@TFLITE.rule(Selu)
def selu(op: Selu, w: Writer) -> Tensor:
    return _exponential(w[op.x], op.gamma, op.gamma * op.alpha, w)


def _exponential(x: Tensor, above: float, below: float, w: Writer) -> Tensor:
    """above * max(x, 0) + below * elu(min(x, 0)): one of the terms is 0."""
    negative = w.op("ELU", binary("MINIMUM", x, w.like(0, x), w))
    return binary("ADD", scaled(w.op("RELU", x), above, w), scaled(negative, below, w), w)


@TFLITE.rule(Celu)
def celu(op: Celu, w: Writer) -> Tensor:
    """As alpha * elu(x / alpha)."""
    x = w[op.x]
    if op.alpha == 1:
        return w.op("ELU", x)
    inner = w.op("ELU", binary("DIV", x, w.like(op.alpha, x), w))
    return scaled(inner, op.alpha, w)


@TFLITE.rule(HardSigmoid)
def hard_sigmoid_(op: HardSigmoid, w: Writer) -> Tensor:
    return hard_sigmoid(w[op.x], op.alpha, op.beta, w=w)


@TFLITE.rule(Gelu)
def gelu(op: Gelu, w: Writer) -> Tensor:
    return w.op("GELU", w[op.x], approximate=op.approximate == "tanh")


@TFLITE.rule(Silu)
def silu(op: Silu, w: Writer) -> Tensor:
    x = w[op.x]
    return binary("MUL", x, w.op("LOGISTIC", scaled(x, op.alpha, w)), w)


@TFLITE.rule(Softplus)
def softplus(op: Softplus, w: Writer) -> Tensor:
    return soft_plus(w[op.x], w)


def soft_plus(x: Tensor, w: Writer) -> Tensor:
    """max(x, 0) + log(1 + e**-|x|), in which nothing overflows."""
    small = w.op("EXP", w.op("NEG", w.op("ABS", x)))
    return binary("ADD", w.op("RELU", x), w.op("LOG", shifted(small, 1, w)), w)


@TFLITE.rule(Mish)
def mish(op: Mish, w: Writer) -> Tensor:
    x = w[op.x]
    return binary("MUL", x, w.op("TANH", soft_plus(x, w)), w)


@TFLITE.rule(Softsign)
def softsign(op: Softsign, w: Writer) -> Tensor:
    x = w[op.x]
    return binary("DIV", x, shifted(w.op("ABS", x), 1, w), w)


@TFLITE.rule(ThresholdedRelu)
def thresholded_relu(op: ThresholdedRelu, w: Writer) -> Tensor:
    x = w[op.x]
    return selected(compared("GREATER", x, w.like(op.alpha, x), w), x, w.like(0, x), w)


@TFLITE.rule(Shrink)
def shrink(op: Shrink, w: Writer) -> Tensor:
    x = w[op.x]
    bias = w.like(op.bias, x)
    below = compared("LESS", x, w.like(-op.lambd, x), w)
    above = compared("GREATER", x, w.like(op.lambd, x), w)
    high = selected(above, binary("SUB", x, bias, w), w.like(0, x), w)
    return selected(below, binary("ADD", x, bias, w), high, w)
