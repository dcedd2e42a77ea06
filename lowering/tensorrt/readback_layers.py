"""The meaning of each kind of layer, as TensorRT's documentation of the network definition gives
it. Where it is that of an op of ours, the reference kernel says it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgec.ir import Array, Builder, DType, Op, dtypes, ops
from edgec.kernels import run
from edgec.lowering.tensorrt.layers import Network
from edgec.lowering.tensorrt.runtime import tensorrt


@dataclass(frozen=True)
class Layer:
    """One layer: its kind, TensorRT's object, and the names of its tensors (absent: None)."""

    kind: str
    own: Any
    inputs: list[str | None]
    outputs: list[str]
    network: Network

    def dtype(self, index: int = 0) -> DType:
        """The element type that TensorRT infers for an output."""
        name = str(self.own.get_output(index).dtype).rpartition(".")[2]
        return _BY_NAME[name]


_BY_NAME = {
    "FLOAT": dtypes.f32, "HALF": dtypes.f16, "BF16": dtypes.bf16, "INT32": dtypes.i32,
    "INT64": dtypes.i64, "INT8": dtypes.i8, "UINT8": dtypes.u8, "BOOL": dtypes.boolean,
    "INT4": dtypes.i4, "FP8": dtypes.f8e4m3fn,
}  # fmt: skip
LAYERS: dict[str, Callable[..., Any]] = {}
Rule = Callable[..., Any]


def layer(kind: str) -> Callable[[Rule], Rule]:
    """Register what a kind of layer computes from its input arrays."""

    def register(function: Rule) -> Rule:
        LAYERS[kind] = function
        return function

    return register


def classes(trt: Any) -> Mapping[str, Any]:
    """The class of each kind of layer: the getter hands out their base."""
    special = {"SOFTMAX": "ISoftMaxLayer", "LRN": "ILRNLayer", "TOPK": "ITopKLayer",
               "NMS": "INMSLayer", "PARAMETRIC_RELU": "IParametricReLULayer",
               "ELEMENTWISE": "IElementWiseLayer", "CONDITIONAL_INPUT": "IIfConditionalInputLayer",
               "CONDITIONAL_OUTPUT": "IIfConditionalOutputLayer"}  # fmt: skip
    names = {}
    for kind in trt.LayerType.__members__:
        title = "".join(word.capitalize() for word in kind.split("_"))
        names[kind] = getattr(trt, special.get(kind, f"I{title}Layer"), trt.ILayer)
    return names


def computed(cls: type[Op], *arrays: Array | None, **attributes: Any) -> Array:
    """The first result of an op of ours on these arrays, by the reference kernel."""
    b = Builder("readback")
    present = [array for array in arrays if array is not None]
    values = [
        None if a is None else b.input(f"x{i}", dtypes.dtype_of(a.dtype), a.shape)
        for i, a in enumerate(arrays)
    ]
    graph = b.output(y=b.add(cls(*values, **attributes)).result)
    return run(graph, present)["y"]


# -- elementwise -----------------------------------------------------------------------------------


@layer("CONSTANT")
def constant(own: Layer) -> Array:
    found = own.own.weights
    if not isinstance(found, np.ndarray):
        return next(array for tensor, array in own.network.hidden if tensor.name == own.outputs[0])
    return np.array(found).reshape(tuple(own.own.shape))


@layer("IDENTITY")
@layer("CONDITIONAL_INPUT")
def identity(own: Layer, x: Array) -> Array:
    return x


@layer("CAST")
def cast(own: Layer, x: Array) -> Array:
    return computed(ops.Cast, x, to=own.dtype())


ACTIVATIONS: Mapping[str, Callable[[float, float, Array], Array]] = {
    "RELU": lambda a, b, x: computed(ops.Relu, x),
    "SIGMOID": lambda a, b, x: computed(ops.Sigmoid, x),
    "TANH": lambda a, b, x: computed(ops.Tanh, x),
    "LEAKY_RELU": lambda a, b, x: computed(ops.LeakyRelu, x, alpha=a),
    "ELU": lambda a, b, x: computed(ops.Elu, x, alpha=a),
    "SELU": lambda a, b, x: computed(ops.Selu, x, alpha=a, gamma=b),
    "SOFTSIGN": lambda a, b, x: computed(ops.Softsign, x),
    "SOFTPLUS": lambda a, b, x: computed(ops.Softplus, x) if (a, b) == (1, 1) else x * np.nan,
    "CLIP": lambda a, b, x: computed(ops.Clip, x, low=a, high=b),
    "HARD_SIGMOID": lambda a, b, x: computed(ops.HardSigmoid, x, alpha=a, beta=b),
    "THRESHOLDED_RELU": lambda a, b, x: computed(ops.ThresholdedRelu, x, alpha=a),
    "GELU_ERF": lambda a, b, x: computed(ops.Gelu, x),
    "GELU_TANH": lambda a, b, x: computed(ops.Gelu, x, approximate="tanh"),
}


@layer("ACTIVATION")
def activation(own: Layer, x: Array) -> Array:
    kind = tensorrt().IActivationLayer.type.__get__(own.own)  # not the kind of layer
    return ACTIVATIONS[enum_name(kind)](own.own.alpha, own.own.beta, x)


@layer("PARAMETRIC_RELU")
def parametric_relu(own: Layer, x: Array, slope: Array) -> Array:
    return computed(ops.PRelu, x, slope)


_BINARY: Mapping[str, type[Op]] = {
    "SUM": ops.Add, "PROD": ops.Mul, "MAX": ops.Maximum, "MIN": ops.Minimum, "SUB": ops.Sub,
    "DIV": ops.Div, "POW": ops.Pow, "AND": ops.And, "OR": ops.Or, "XOR": ops.Xor,
    "EQUAL": ops.Equal, "GREATER": ops.Greater, "LESS": ops.Less,
}  # fmt: skip


@layer("ELEMENTWISE")
def elementwise(own: Layer, x: Array, y: Array) -> Array:
    name = enum_name(own.own.op)
    assert x.ndim == y.ndim, "elementwise layers broadcast dims of 1, never ranks"
    if name == "FLOOR_DIV":
        return np.floor_divide(x, y)
    return computed(_BINARY[name], x, y)


_UNARY: Mapping[str, type[Op]] = {
    "EXP": ops.Exp, "LOG": ops.Log, "SQRT": ops.Sqrt, "RECIP": ops.Reciprocal, "ABS": ops.Abs,
    "NEG": ops.Neg, "SIN": ops.Sin, "COS": ops.Cos, "TAN": ops.Tan, "SINH": ops.Sinh,
    "COSH": ops.Cosh, "ASIN": ops.Asin, "ACOS": ops.Acos, "ATAN": ops.Atan, "ASINH": ops.Asinh,
    "ACOSH": ops.Acosh, "ATANH": ops.Atanh, "CEIL": ops.Ceil, "FLOOR": ops.Floor, "ERF": ops.Erf,
    "NOT": ops.Not, "SIGN": ops.Sign, "ROUND": ops.Round, "ISINF": ops.IsInf, "ISNAN": ops.IsNan,
}  # fmt: skip


@layer("UNARY")
def unary(own: Layer, x: Array) -> Array:
    return computed(_UNARY[enum_name(own.own.op)], x)


@layer("SELECT")
def select(own: Layer, cond: Array, x: Array, y: Array) -> Array:
    return computed(ops.Where, cond, x, y)


def enum_name(member: Any) -> str:
    """``trt.PoolingType.MAX`` as ``MAX``."""
    return str(member).rpartition(".")[2]


def axes_in(mask: int, rank: int) -> tuple[int, ...]:
    """The axes whose bits are set."""
    return tuple(axis for axis in range(rank) if mask >> axis & 1)
