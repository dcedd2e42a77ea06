"""Elementwise activations."""

from __future__ import annotations

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
from edgec.lowering.tensorrt.fused import hard_swish, silu
from edgec.lowering.tensorrt.table import TENSORRT, Tensor
from edgec.lowering.tensorrt.writer import Writer


@TENSORRT.rule(Relu)
def relu(op: Relu, w: Writer) -> Tensor:
    x = w[op.x]
    return w.activation("RELU", x) if op.x.type.dtype.is_float else w.binary("MAX", x, w.like(0, x))


@TENSORRT.rule(Sigmoid)
def sigmoid(op: Sigmoid, w: Writer) -> Tensor:
    return w.activation("SIGMOID", w[op.x])


@TENSORRT.rule(Tanh)
def tanh(op: Tanh, w: Writer) -> Tensor:
    return w.activation("TANH", w[op.x])


@TENSORRT.rule(LeakyRelu)
def leaky_relu(op: LeakyRelu, w: Writer) -> Tensor:
    return w.activation("LEAKY_RELU", w[op.x], op.alpha)


@TENSORRT.rule(PRelu)
def prelu(op: PRelu, w: Writer) -> Tensor:
    """The layer takes slopes of the rank of x, and floats."""
    x, slope = w[op.x], w.ranked(w[op.slope], op.x.type.rank)
    if not op.x.type.dtype.is_float or not op.x.type.rank:
        negative = w.binary("LESS", x, w.like(0, x))
        return w.select(negative, w.binary("PROD", x, slope), x)
    return w.net.add_parametric_relu(x, slope).get_output(0)


@TENSORRT.rule(Elu)
def elu(op: Elu, w: Writer) -> Tensor:
    return w.activation("ELU", w[op.x], op.alpha)


@TENSORRT.rule(Selu)
def selu(op: Selu, w: Writer) -> Tensor:
    return w.activation("SELU", w[op.x], op.alpha, op.gamma)


@TENSORRT.rule(Celu)
def celu(op: Celu, w: Writer) -> Tensor:
    """As alpha * elu(x / alpha)."""
    x = w[op.x]
    if op.alpha == 1:
        return w.activation("ELU", x, 1.0)
    alpha = w.like(op.alpha, x)
    return w.binary("PROD", w.activation("ELU", w.binary("DIV", x, alpha), 1.0), alpha)


@TENSORRT.rule(HardSigmoid)
def hard_sigmoid(op: HardSigmoid, w: Writer) -> Tensor:
    return w.activation("HARD_SIGMOID", w[op.x], op.alpha, op.beta)


@TENSORRT.rule(HardSwish)
def hard_swish_(op: HardSwish, w: Writer) -> Tensor:
    return hard_swish(w[op.x], w)


@TENSORRT.rule(Silu)
def silu_(op: Silu, w: Writer) -> Tensor:
    return silu(w[op.x], op.alpha, w)


@TENSORRT.rule(Mish)
def mish(op: Mish, w: Writer) -> Tensor:
    x = w[op.x]
    return w.binary("PROD", x, w.activation("TANH", w.activation("SOFTPLUS", x, 1.0, 1.0)))


@TENSORRT.rule(Softplus)
def softplus(op: Softplus, w: Writer) -> Tensor:
    return w.activation("SOFTPLUS", w[op.x], 1.0, 1.0)


@TENSORRT.rule(Softsign)
def softsign(op: Softsign, w: Writer) -> Tensor:
    return w.activation("SOFTSIGN", w[op.x])


@TENSORRT.rule(Gelu)
def gelu(op: Gelu, w: Writer) -> Tensor:
    return w.activation("GELU_TANH" if op.approximate == "tanh" else "GELU_ERF", w[op.x])


@TENSORRT.rule(ThresholdedRelu)
def thresholded_relu(op: ThresholdedRelu, w: Writer) -> Tensor:
    return w.activation("THRESHOLDED_RELU", w[op.x], op.alpha)


@TENSORRT.rule(Shrink)
def shrink(op: Shrink, w: Writer) -> Tensor:
    x = w[op.x]
    bias = w.like(op.bias, x)
    below = w.binary("LESS", x, w.like(-op.lambd, x))
    above = w.binary("GREATER", x, w.like(op.lambd, x))
    high = w.select(above, w.binary("SUB", x, bias), w.like(0, x))
    return w.select(below, w.binary("SUM", x, bias), high)
