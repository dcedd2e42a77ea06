"""ONNX's elementwise activations."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

import numpy as np

from edgec.ir import Op, Value, dtypes
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
from edgec.lowering.onnx.legacy import begun_at
from edgec.lowering.onnx.node import READERS, Node, ReadRule
from edgec.lowering.onnx.typed import step, typed_node
from edgec.lowering.onnx.writer import WRITERS, Operand, Writer

NAMES: Mapping[type[Activation], str] = {
    Elu: "Elu",
    HardSigmoid: "HardSigmoid",
    HardSwish: "HardSwish",
    LeakyRelu: "LeakyRelu",
    Relu: "Relu",
    Selu: "Selu",
    Shrink: "Shrink",
    Sigmoid: "Sigmoid",
    Softplus: "Softplus",
    Softsign: "Softsign",
    Tanh: "Tanh",
    ThresholdedRelu: "ThresholdedRelu",
}


def _reader(cls: type[Activation]) -> ReadRule:
    return lambda node: node.add(cls(node.input(0), **_floats(node, cls))).result


def _floats(node: Node, cls: type[Op]) -> dict[str, float]:
    """The attributes that the node gives; what rounds to the default in float32 is the default."""
    found: dict[str, float] = {}
    for name, spec in cls.attribute_specs.items():
        value = node.float(name, spec.default)
        found[name] = spec.default if value == float(np.float32(spec.default)) else value
    return found


for _cls, _op_type in NAMES.items():
    READERS.rule(_op_type)(_reader(_cls))


@WRITERS.rule(*NAMES)
def write_activation(op: Activation, w: Writer) -> None:
    given = {name: value for name, value in op.attributes.items() if value is not None}
    typed_node(w, NAMES[type(op)], [op.x], op.result, **given)


@READERS.rule("Celu")
def read_celu(node: Node) -> Value:
    return node.add(Celu(node.input(0), **_floats(node, Celu))).result


@WRITERS.rule(Celu)
def write_celu(op: Celu, w: Writer) -> None:
    """In float64, which ONNX lacks before opset 28, as alpha * elu(x / alpha)."""
    alpha = None if op.alpha == 1 else op.alpha
    dtype = op.x.type.dtype
    if dtype is not dtypes.f64 or w.opset >= 28:
        typed_node(w, "Celu", [op.x], op.result, alpha=alpha)
    elif alpha is None:
        w.node("Elu", [op.x], op.results)
    else:
        unit = step(w, "Elu", [step(w, "Div", [op.x, w.const(alpha, dtype)])])
        w.node("Mul", [unit, w.const(alpha, dtype)], op.results)


@READERS.rule("PRelu")
def read_prelu(node: Node) -> Value:
    """Before opset 7 the slopes are those of the channels, or of all elements."""
    x, slope = node.input(0), node.input(1)
    if node.opset < 7 and slope.type.rank == 1 and slope.type.dims != (1,):
        slope = begun_at(node, x, slope, 1)
    return node.add(PRelu(x, slope)).result


@WRITERS.rule(PRelu)
def write_prelu(op: PRelu, w: Writer) -> None:
    typed_node(w, "PRelu", [op.x, op.slope], op.result)


@READERS.rule("Gelu")
def read_gelu(node: Node) -> Value:
    return node.add(Gelu(node.input(0), approximate=node.string("approximate", "none"))).result


@WRITERS.rule(Gelu)
def write_gelu(op: Gelu, w: Writer) -> None:
    """Before opset 20 by the nodes that exporters wrote then."""
    if w.opset >= 20:
        approximate = None if op.approximate == "none" else op.approximate
        w.node("Gelu", [op.x], op.results, approximate=approximate)
        return
    gate = _tanh_gate(op, w) if op.approximate == "tanh" else _erf_gate(op, w)
    y = _with_constant(w, "Add", gate, 1.0, op)
    y = step(w, "Mul", [op.x, y])
    w.node("Mul", [y, w.const(0.5, op.x.type.dtype)], op.results)


def _erf_gate(op: Gelu, w: Writer) -> str:
    return step(w, "Erf", [_with_constant(w, "Div", op.x, sqrt(2), op)])


def _tanh_gate(op: Gelu, w: Writer) -> str:
    cube = _with_constant(w, "Pow", op.x, 3.0, op)
    inner = step(w, "Add", [op.x, _with_constant(w, "Mul", cube, 0.044715, op)])
    return step(w, "Tanh", [_with_constant(w, "Mul", inner, 0.7978845608028654, op)])


def _with_constant(w: Writer, op_type: str, x: Operand, constant: float, op: Gelu) -> str:
    return step(w, op_type, [x, w.const(constant, op.x.type.dtype)])


@READERS.rule("Swish")
def read_silu(node: Node) -> Value:
    return node.add(Silu(node.input(0), **_floats(node, Silu))).result


@WRITERS.rule(Silu)
def write_silu(op: Silu, w: Writer) -> None:
    """Before opset 24 as x * sigmoid(alpha * x)."""
    if w.opset >= 24:
        w.node("Swish", [op.x], op.results, alpha=None if op.alpha == 1 else op.alpha)
        return
    scaled: Operand = op.x
    if op.alpha != 1:
        scaled = step(w, "Mul", [op.x, w.const(op.alpha, op.x.type.dtype)])
    gate = step(w, "Sigmoid", [scaled])
    w.node("Mul", [op.x, gate], op.results)


@READERS.rule("Mish")
def read_mish(node: Node) -> Value:
    return node.add(Mish(node.input(0))).result


@WRITERS.rule(Mish)
def write_mish(op: Mish, w: Writer) -> None:
    """Before opset 18 as x * tanh(softplus(x))."""
    if w.opset >= 18:
        typed_node(w, "Mish", [op.x], op.result)
        return
    gate = step(w, "Tanh", [step(w, "Softplus", [op.x])])
    w.node("Mul", [op.x, gate], op.results)
