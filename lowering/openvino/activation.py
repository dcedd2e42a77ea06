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
from edgec.lowering.openvino.table import OPENVINO, Output
from edgec.lowering.openvino.writer import Writer

NAMES: Mapping[type[Activation], str] = {
    HardSwish: "hswish",
    Mish: "mish",
    Relu: "relu",
    Sigmoid: "sigmoid",
    Softplus: "softplus",
    Softsign: "softsign",
    Tanh: "tanh",
}


@OPENVINO.rule(*NAMES)
def activation(op: Activation, w: Writer) -> Output:
    return getattr(w.ops, NAMES[type(op)])(w[op.x])


@OPENVINO.rule(LeakyRelu)
def leaky_relu(op: LeakyRelu, w: Writer) -> Output:
    return w.ops.prelu(w[op.x], w.like([op.alpha], op.x))


@OPENVINO.rule(PRelu)
def prelu(op: PRelu, w: Writer) -> Output:
    """The operator takes a slope of rank 1 as one number per channel, so it gets the rank of x."""
    missing = op.x.type.rank - op.slope.type.rank
    dims = [dim if isinstance(dim, int) else -1 for dim in op.slope.type.dims]
    slope = w[op.slope] if not missing else w.reshaped(op.slope, (*(1,) * missing, *dims))
    return w.ops.prelu(w[op.x], slope)


@OPENVINO.rule(Elu)
def elu(op: Elu, w: Writer) -> Output:
    return w.ops.elu(w[op.x], op.alpha)


@OPENVINO.rule(Selu)
def selu(op: Selu, w: Writer) -> Output:
    return w.ops.selu(w[op.x], w.like([op.alpha], op.x), w.like([op.gamma], op.x))


@OPENVINO.rule(Celu)
def celu(op: Celu, w: Writer) -> Output:
    """As alpha * elu(x / alpha)."""
    if op.alpha == 1:
        return w.ops.elu(w[op.x], 1.0)
    alpha = w.like(op.alpha, op.x)
    return w.ops.multiply(w.ops.elu(w.ops.divide(w[op.x], alpha), 1.0), alpha)


@OPENVINO.rule(HardSigmoid)
def hard_sigmoid(op: HardSigmoid, w: Writer) -> Output:
    return w.ops.hard_sigmoid(w[op.x], w.like(op.alpha, op.x), w.like(op.beta, op.x))


@OPENVINO.rule(Gelu)
def gelu(op: Gelu, w: Writer) -> Output:
    return w.ops.gelu(w[op.x], "tanh" if op.approximate == "tanh" else "erf")


@OPENVINO.rule(Silu)
def silu(op: Silu, w: Writer) -> Output:
    return w.ops.swish(w[op.x], w.like(op.alpha, op.x))


@OPENVINO.rule(ThresholdedRelu)
def thresholded_relu(op: ThresholdedRelu, w: Writer) -> Output:
    above = w.ops.greater(w[op.x], w.like(op.alpha, op.x))
    return w.ops.select(above, w[op.x], w.like(0, op.x))


@OPENVINO.rule(Shrink)
def shrink(op: Shrink, w: Writer) -> Output:
    x, bias = w[op.x], w.like(op.bias, op.x)
    below = w.ops.less(x, w.like(-op.lambd, op.x))
    above = w.ops.greater(x, w.like(op.lambd, op.x))
    high = w.ops.select(above, w.ops.subtract(x, bias), w.like(0, op.x))
    return w.ops.select(below, w.ops.add(x, bias), high)
