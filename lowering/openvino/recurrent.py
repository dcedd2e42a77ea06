"""Recurrent layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgec.ir import Array, Constant, Value, dtypes
from edgec.ir.ops import Dequantize, Gru, Lstm, Rnn
from edgec.ir.ops.quant import is_per_tensor
from edgec.ir.ops.recurrent import Recurrent
from edgec.lowering.openvino.shape import size_of
from edgec.lowering.openvino.table import OPENVINO, Output, limit
from edgec.lowering.openvino.weights import expanded
from edgec.lowering.openvino.writer import Writer

_BATCH_FIRST = (1, 0, 2)
_TIME_FIRST = (2, 1, 0, 3)  # [T, D, B, H] from [B, D, T, H]
_GATES: dict[type[Recurrent], tuple[int, ...]] = {Lstm: (2, 0, 3, 1)}  # f, i, c, o from i, o, f, c
_FUNCTIONS = ("relu", "sigmoid", "tanh")


@limit(Lstm, Gru, Rnn)
def recurrent_limit(op: Recurrent) -> str | None:
    strange = sorted({name for name in op.functions if name.lower() not in _FUNCTIONS})
    if strange:
        return f"the sequence operators know {', '.join(_FUNCTIONS)}, not {', '.join(strange)}"
    if op.clip:
        return "the sequence operators do not clip"
    half = len(op.usual)
    if op.functions[:half] != op.functions[-half:]:
        return "the sequence operators use the same activations in both directions"
    if isinstance(op, Lstm) and (op.p is not None or op.input_forget):
        return "LSTMSequence has no peepholes, and forgets by a gate of its own"
    if not (_are_known(op.w) and _are_known(op.r)):
        return "the weights are computed at run time"
    if not (op.b is None or isinstance(op.b, Constant)):
        return "the biases are computed at run time"
    return None


def _are_known(weights: Value) -> bool:
    """True for constants, and for constant integers with one scale, or one per row."""
    stored = weights.producer
    if not isinstance(stored, Dequantize):
        return isinstance(weights, Constant)
    by_row = is_per_tensor(stored.scale) or (stored.axis == 1 and not stored.block)
    return by_row and all(isinstance(value, Constant) for value in stored.present_operands)


@OPENVINO.rule(Lstm)
def lstm(op: Lstm, w: Writer) -> list[Output]:
    b = _parts(op)
    bias = _bias(op, b[:, 0] + b[:, 1], w)
    node = w.ops.lstm_sequence(
        _input(op, w), _state(op, op.h0, w), _state(op, op.c0, w), _lengths(op, w),
        *_weights(op, w), bias, op.hidden, op.direction, _functions(op),
    )  # fmt: skip
    return _results(node, w)


@OPENVINO.rule(Gru)
def gru(op: Gru, w: Writer) -> list[Output]:
    """With ``linear_before_reset`` the two biases of the hidden gate stay apart."""
    b = _parts(op)
    both = b[:, 0] + b[:, 1]
    if op.linear_before_reset:
        both = np.concatenate([both[:, :2], b[:, :1, 2], b[:, 1:, 2]], axis=1)
    node = w.ops.gru_sequence(
        _input(op, w), _state(op, op.h0, w), _lengths(op, w), *_weights(op, w),
        _bias(op, both, w), op.hidden, op.direction, _functions(op),
        linear_before_reset=op.linear_before_reset,
    )  # fmt: skip
    return _results(node, w)


@OPENVINO.rule(Rnn)
def rnn(op: Rnn, w: Writer) -> list[Output]:
    b = _parts(op)
    node = w.ops.rnn_sequence(
        _input(op, w), _state(op, op.h0, w), _lengths(op, w), *_weights(op, w),
        _bias(op, b[:, 0] + b[:, 1], w), op.hidden, op.direction, _functions(op),
    )  # fmt: skip
    return _results(node, w)


def _functions(op: Recurrent) -> list[str]:
    return [name.lower() for name in op.functions[: len(op.usual)]]


def _input(op: Recurrent, w: Writer) -> Output:
    return w.ops.transpose(w[op.x], w.ints(_BATCH_FIRST))


def _state(op: Recurrent, given: Value | None, w: Writer) -> Output:
    """[B, D, H], zeros when absent."""
    if given is not None:
        return w.ops.transpose(w[given], w.ints(_BATCH_FIRST))
    others = w.ints([op.directions, op.hidden])
    dims = w.ops.concat([size_of(op.x, 1, w), others], 0)
    return w.ops.broadcast(w.like(0, op.x), dims)


def _lengths(op: Recurrent, w: Writer) -> Output:
    """Those of the op, or as many steps as there are for each batch entry."""
    if op.lens is not None:
        return w[op.lens]
    steps, batch = (size_of(op.x, axis, w) for axis in (0, 1))
    return w.convert(w.ops.broadcast(steps, batch), dtypes.i32)


def _weights(op: Recurrent, w: Writer) -> list[Output]:
    found = []
    for value in (op.w, op.r):
        if isinstance(value, Constant):
            found.append(w.const(_in_order(op, value.array)))
            continue
        stored = value.producer
        assert isinstance(stored, Dequantize), "asked by the limit"
        parts = [v and Constant(_in_order(op, v.array)) for v in map(_constant, stored.operands)]
        ordered = stored.copy(operands=parts)
        assert isinstance(ordered, Dequantize), "a copy"
        found.append(expanded(ordered, w))
    return found


def _constant(value: Value | None) -> Constant | None:
    return value if isinstance(value, Constant) else None


def _in_order(op: Recurrent, array: Array) -> Array:
    """Weights [D, gates · H, …], or numbers for their rows, with the gates in OpenVINO's order."""
    if array.size == 1:
        return array
    directions = op.directions if array.ndim > 1 else 1
    by_gate = array.reshape(directions, op.gates, op.hidden, -1)
    return _ordered(op, by_gate).reshape(array.shape)


def _parts(op: Recurrent) -> Array:
    """Biases as [D, input or recurrence, gate, H]."""
    if not isinstance(op.b, Constant):
        dtype = op.x.type.dtype.numpy
        return np.zeros((op.directions, 2, op.gates, op.hidden), dtype)
    return op.b.array.reshape(op.directions, 2, op.gates, op.hidden)


def _bias(op: Recurrent, by_gate: Array, w: Writer) -> Output:
    return w.const(_ordered(op, by_gate).reshape(op.directions, -1))


def _ordered(op: Recurrent, by_gate: Array) -> Array:
    """The gates (axis 1) in OpenVINO's order."""
    order: Sequence[int] | None = _GATES.get(type(op))
    return by_gate if order is None else by_gate[:, list(order)]


def _results(node: Output, w: Writer) -> list[Output]:
    y, *states = node.outputs()
    return [
        w.ops.transpose(y, w.ints(_TIME_FIRST)),
        *(w.ops.transpose(state, w.ints(_BATCH_FIRST)) for state in states),
    ]
