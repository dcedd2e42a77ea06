"""Activations: as a field of the operator before them where it has one, else as operators."""

from __future__ import annotations

from edgec.ir import Floats, Value
from edgec.lowering.tflite.legalize import INFINITY, binary, clipped, scaled, shifted
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer

# ActivationFunctionType in schema.fbs; its TANH is none that the kernels of these operators know.
RELU, RELU_N1_TO_1, RELU6 = 1, 2, 3
CODES = {(0.0, INFINITY): RELU, (-1.0, 1.0): RELU_N1_TO_1, (0.0, 6.0): RELU6}
FIELD = "fused_activation_function"
# Operators that a clip after them is merged into. (Edge TPUs take none in pools and concat.)
TAKING = frozenset(
    ("ADD", "SUB", "MUL", "DIV", "CONV_2D", "CONV_3D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
)


def fused(x: Value, low: float, high: float, w: Writer) -> Tensor | None:
    """A clip of x done by the operator that computes x, when nothing else reads x."""
    tensor = w[x]
    if x.use_count != 1 or tensor.readers or not _takes(tensor, low, high):
        return None
    return _merged(tensor, low, high)


def activated(y: Tensor, act: str, params: Floats, w: Writer) -> Tensor:
    """``act(y)`` for the activation that an op carries; y itself when there is none."""
    if act == "none":
        return y
    if act in ("relu", "clip"):
        low, high = params or (0.0, INFINITY)
        return _merged(y, low, high) if _takes(y, low, high) else clipped(y, low, high, w)
    if act in _PLAIN:
        return w.op(_PLAIN[act], y)
    if act == "leaky_relu":
        return w.op("LEAKY_RELU", y, alpha=params[0])
    if act == "hard_sigmoid":
        return hard_sigmoid(y, *params, w=w)
    return binary("MUL", y, w.op("LOGISTIC", scaled(y, params[0], w)), w)


_PLAIN = {"hard_swish": "HARD_SWISH", "sigmoid": "LOGISTIC", "tanh": "TANH"}


def hard_sigmoid(x: Tensor, alpha: float, beta: float, *, w: Writer) -> Tensor:
    """min(max(alpha * x + beta, 0), 1) = relu6(6 * alpha * x + 6 * beta) / 6"""
    y = shifted(scaled(x, 6 * alpha, w), 6 * beta, w)
    own = y is not x and _takes(y, 0.0, 6.0)
    bounded = _merged(y, 0.0, 6.0) if own else clipped(y, 0.0, 6.0, w)
    return scaled(bounded, 1 / 6, w)


def _takes(tensor: Tensor, low: float, high: float) -> bool:
    operator = tensor.producer
    return (
        operator is not None
        and operator.builtin in TAKING
        and tensor.dtype.is_float
        and FIELD not in operator.options
        and (low, high) in CODES
    )


def _merged(tensor: Tensor, low: float, high: float) -> Tensor:
    assert tensor.producer is not None
    tensor.producer.options[FIELD] = CODES[low, high]
    tensor.name = ""
    return tensor
