"""LSTM layers by the builtin operator for whole sequences.

The operator starts from its state as the last run left it. So one step comes first, on the same
state, whose input and forget gates are shut by their biases: it leaves c = 0 and h = 0. (A NaN
stays in the state, whatever it is multiplied with.)
"""

from __future__ import annotations

import numpy as np

from edgec.ir import Array, Constant, Value, dtypes
from edgec.ir.ops import Lstm
from edgec.lowering.tflite.tensors import Operator, Tensor
from edgec.lowering.tflite.writer import Writer

LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
TANH = 4  # ActivationFunctionType in schema.fbs
SHUT = -1e6  # a bias whose sigmoid is 0 whatever the products add (each is at most a weight)
# Gates in the builtin's order, by their places in the op's: i, f, c, o of i, o, f, c.
ORDER = (0, 2, 3, 1)
PEEPHOLES = (0, 2, 1)  # i, f, o of i, o, f


def takes(op: Lstm) -> bool:
    """True for a layer that the operator computes: its usual gates and functions, full sequences
    from states of 0, constant weights, and a final c that nobody reads."""
    constant = all(isinstance(v, Constant) for v in (op.w, op.r, op.b, op.p) if v is not None)
    usual = tuple(map(str.lower, op.functions)) == ("sigmoid", "tanh", "tanh") * op.directions
    return (
        constant and usual and not op.clip and not op.input_forget and op.lens is None
        and isinstance(op.x.type.dims[1], int) and op.x.type.dtype in (dtypes.f32, dtypes.f16)
        and _is_zero(op.h0) and _is_zero(op.c0) and not op.results[2].users
    )  # fmt: skip


def _is_zero(value: Value | None) -> bool:
    return value is None or (isinstance(value, Constant) and not value.array.any())


def lstm_sequence(op: Lstm, number: int, backwards: bool, w: Writer) -> tuple[Tensor, list[Tensor]]:
    """Results [T, B, H] and the final h [B, H] of one direction."""
    x = w[op.x]
    _, batch, size = x.dims
    if backwards:
        x = w.op("REVERSE_V2", x, w.ints([0]))
    weights, biases = _weights(op, number, w), _biases(op, number)
    state = [Tensor(dtypes.f32, (batch, op.hidden), is_variable=True) for _ in range(2)]
    nothing = w.const(np.zeros((1, batch, size), np.float32))
    shut = biases.copy()
    shut[:2] = SHUT
    _write(nothing, weights, shut, state, w).readers += 1  # of its state, by the next operator
    y = _write(x, weights, biases, state, w)
    last = w.op("STRIDED_SLICE", y, w.ints([-1]), w.ints([0]), w.ints([1]),
                dims=state[0].dims, end_mask=1, shrink_axis_mask=1)  # fmt: skip
    if backwards:
        y = w.op("REVERSE_V2", y, w.ints([0]))
    return y, [last]


def _write(
    x: Tensor, weights: list[Tensor | None], biases: Array, state: list[Tensor], w: Writer
) -> Tensor:
    gates = [w.const(bias) for bias in biases]
    operands = [x, *weights, *gates, None, None, *state, *[None] * 4]
    dims = (x.dims[0], *state[0].dims)
    y = Tensor(dtypes.f32, dims)
    options = {"fused_activation_function": TANH, "time_major": True}
    w.place(Operator(LSTM, operands, [y], options, 1))
    return y


def _weights(op: Lstm, number: int, w: Writer) -> list[Tensor | None]:
    """Of the inputs, of the recurrence, and the peepholes, by gate."""
    found: list[Tensor | None] = []
    for value in (op.w, op.r):
        by_gate = np.split(_array(value)[number], 4)
        found += [w.const(by_gate[gate]) for gate in ORDER]
    if op.p is None:
        return [*found, None, None, None]
    parts = np.split(_array(op.p)[number], 3)
    return [*found, *(w.const(parts[gate]) for gate in PEEPHOLES)]


def _biases(op: Lstm, number: int) -> Array:
    """[4, H], of the inputs and of the recurrence together."""
    if op.b is None:
        return np.zeros((4, op.hidden), np.float32)
    by_gate = _array(op.b)[number].reshape(2, 4, op.hidden).sum(axis=0, dtype=np.float32)
    found: Array = by_gate[list(ORDER)]
    return found


def _array(value: Value | None) -> Array:
    assert isinstance(value, Constant)
    array: Array = value.array.astype(np.float32)
    return array
