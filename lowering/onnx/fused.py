"""Writing the activation that an op carries (``act``, ``act_params``) as nodes after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isinf

from edgec.ir import DType, Floats, Value
from edgec.lowering.onnx.writer import Operand, Writer

_Write = Callable[[Operand, Operand, Floats, DType, Writer], None]


def before_act(act: str, params: Floats, result: Value, w: Writer) -> Operand:
    """Where the op itself writes: its result, or a temporary that ``write_act`` reads."""
    if _is_nothing(act, params):
        return result
    return w.temporary(f"{result.hint or 'value'}.linear")


def write_act(act: str, params: Floats, source: Operand, result: Value, w: Writer) -> None:
    """``result = act(source)``; nothing when there is no activation."""
    if not _is_nothing(act, params):
        _WRITE[act](source, result, params, result.type.dtype, w)


def _is_nothing(act: str, params: Floats) -> bool:
    return act == "none" or (act == "clip" and all(map(isinf, params)))


def _write_clip(x: Operand, y: Operand, params: Floats, dtype: DType, w: Writer) -> None:
    low, high = (None if isinf(bound) else w.const(bound, dtype) for bound in params)
    w.node("Clip", [x, low, high], [y])


def _write_silu(x: Operand, y: Operand, params: Floats, dtype: DType, w: Writer) -> None:
    (alpha,) = params
    if w.opset >= 24:
        w.node("Swish", [x], [y], alpha=None if alpha == 1 else alpha)
        return
    scaled = x
    if alpha != 1:
        scaled = w.temporary("scaled")
        w.node("Mul", [x, w.const(alpha, dtype)], [scaled])
    gate = w.temporary("gate")
    w.node("Sigmoid", [scaled], [gate])
    w.node("Mul", [x, gate], [y])


def _write_hard_sigmoid(x: Operand, y: Operand, params: Floats, dtype: DType, w: Writer) -> None:
    alpha, beta = params
    w.node("HardSigmoid", [x], [y], alpha=alpha, beta=beta)


def _write_leaky_relu(x: Operand, y: Operand, params: Floats, dtype: DType, w: Writer) -> None:
    w.node("LeakyRelu", [x], [y], alpha=params[0])


def _plain(op_type: str) -> _Write:
    return lambda x, y, params, dtype, w: w.node(op_type, [x], [y])


_WRITE: Mapping[str, _Write] = {
    "relu": _plain("Relu"),
    "clip": _write_clip,
    "leaky_relu": _write_leaky_relu,
    "hard_swish": _plain("HardSwish"),
    "hard_sigmoid": _write_hard_sigmoid,
    "sigmoid": _plain("Sigmoid"),
    "silu": _write_silu,
    "tanh": _plain("Tanh"),
}
