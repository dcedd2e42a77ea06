"""Recurrent layers, step after step: written out for a few steps, else as a WHILE.

The products of the inputs with their weights are one FULLY_CONNECTED over all steps. The builtin
operator for whole sequences is written where it is asked for only: it keeps its state from run to
run, and is the slowest of the three on all but small layers (docs/tflite.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgec.ir import Dim, TensorType, Value, dtypes
from edgec.ir.ops import Gru, Lstm, Rnn
from edgec.ir.ops.recurrent import Recurrent
from edgec.lowering.tflite.dims import element, vector
from edgec.lowering.tflite.legalize import binary, compared, selected
from edgec.lowering.tflite.loops import Carried, Stack, repeated
from edgec.lowering.tflite.recurrent_builtin import lstm_sequence, takes
from edgec.lowering.tflite.recurrent_cells import (
    Direction,
    Step,
    dense,
    direction_of,
    gru_step,
    lstm_step,
    rnn_step,
)
from edgec.lowering.tflite.shapes import cropped, reshaped
from edgec.lowering.tflite.table import TFLITE
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer

# Steps that are written out, and bytes of the weights that they read in all: the kernels keep a
# packed copy of them for each step. Measured on LiteRT 2.3 with XNNPACK, written out to WHILE:
# 16 steps of 64 kB 0.67, 200 of 16 kB 0.71, 64 of 64 kB 1.3, 32 of 1 MB 4.
MOST_STEPS = 256
MOST_WEIGHTS = 7 << 19


@TFLITE.rule(Rnn)
def rnn(op: Rnn, w: Writer) -> list[Tensor]:
    return _layer(op, w, rnn_step)


@TFLITE.rule(Gru)
def gru(op: Gru, w: Writer) -> list[Tensor]:
    return _layer(op, w, gru_step)


@TFLITE.rule(Lstm)
def lstm(op: Lstm, w: Writer) -> list[Tensor]:
    if not (w.builtin_lstm and takes(op)):
        return _layer(op, w, lstm_step)
    found = [lstm_sequence(op, n, _backwards(op, n), w) for n in range(op.directions)]
    return [*_joined(op, found, w), Tensor(dtypes.f32, op.results[2].type.dims)]


def _layer(op: Recurrent, w: Writer, step: Step) -> list[Tensor]:
    run = _written_out if _is_short(op) else _repeated
    return _joined(op, [run(op, number, step, w) for number in range(op.directions)], w)


def _joined(op: Recurrent, found: Sequence[tuple[Tensor, list[Tensor]]], w: Writer) -> list[Tensor]:
    """The results of the layer from the results [T, B, H] and final states of its directions."""
    y = _packed([y for y, _ in found], 1, op.results[0].type.dims, w)
    states = zip(*(finals for _, finals in found), strict=True)
    return [y, *(_packed(each, 0, op.results[1].type.dims, w) for each in states)]


def _is_short(op: Recurrent) -> bool:
    steps = op.x.type.dims[0]
    weights = op.gates * op.hidden * op.hidden * 4
    return isinstance(steps, int) and steps <= MOST_STEPS and steps * weights <= MOST_WEIGHTS


def _packed(parts: Sequence[Tensor], axis: int, dims: Sequence[Dim], w: Writer) -> Tensor:
    """The parts along a new axis."""
    if len(parts) == 1:
        return reshaped(parts[0], dims, w)
    return w.op("PACK", *parts, dims=dims, values_count=len(parts), axis=axis)


def _backwards(op: Recurrent, number: int) -> bool:
    return op.direction == "reverse" or number == 1


def _inputs(op: Recurrent, number: int, bias: Tensor | None, w: Writer) -> Tensor:
    """x w^T + bias of all steps: [T, B, gates * H]."""
    steps, batch, size = op.x.type.dims
    rows = op.gates * op.hidden
    flat = reshaped(w[op.x], (steps * batch, size), w)
    weights = reshaped(cropped(w[op.w], (number, 0, 0), (1, rows, size), w), (rows, size), w)
    return reshaped(dense(flat, weights, bias, w), (steps, batch, rows), w)


def _after(
    d: Direction, step: Step, x: Tensor, states: list[Tensor], at: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """The result of a step, and the states after it: 0 and as before where a sequence has ended."""
    after, w = step(d, x, states), d.w
    if d.op.lens is None:
        return after[0], after
    lens = reshaped(w[d.op.lens], (x.dims[0], 1), w)
    alive = compared("GREATER", lens, at, w)
    kept = [selected(alive, new, old, w) for new, old in zip(after, states, strict=True)]
    return selected(alive, after[0], w.like(0, after[0]), w), kept


def _written_out(op: Recurrent, number: int, step: Step, w: Writer) -> tuple[Tensor, list[Tensor]]:
    """All results [T, B, H] and the final states of one direction, by an operator of each step."""
    direction = direction_of(op, number, w)
    inputs = _inputs(op, number, direction.bias[0], w)
    steps, *each = inputs.dims
    assert isinstance(steps, int)
    xs = w.ops("UNPACK", [inputs], [(each, inputs.dtype)] * steps, num=steps, axis=0)
    states = [_initial(op, value, number, w) for value in _initial_values(op)]
    found: dict[int, Tensor] = {}
    for at in range(steps)[::-1] if _backwards(op, number) else range(steps):
        here = w.const(at, dtypes.i32)
        found[at], states = _after(direction, step, xs[at], states, here)
    dims = (steps, each[0], op.hidden)
    return _packed([found[at] for at in range(steps)], 0, dims, w), states


def _repeated(op: Recurrent, number: int, step: Step, w: Writer) -> tuple[Tensor, list[Tensor]]:
    """The same by a WHILE, of any number of steps."""
    inputs = _inputs(op, number, direction_of(op, number, w).bias[0], w)
    steps, batch, rows = inputs.dims
    backwards = _backwards(op, number)
    state = TensorType(dtypes.f32, (batch, op.hidden))
    stack = Stack(state, 0, steps if isinstance(steps, int) else None, backwards)
    initial = [_initial(op, value, number, w) for value in _initial_values(op)]

    def count(inner: Writer) -> Tensor:
        return reshaped(element(steps, [inner[op.x]], inner), (), inner)

    def body(inner: Writer, number: Tensor, inside: list[Tensor]) -> list[Tensor]:
        *states, whole, xs = inside
        at = inner.cast(number, dtypes.i32)
        if backwards:
            last = binary("SUB", count(inner), inner.const(1, dtypes.i32), inner)
            at = binary("SUB", last, at, inner)
        x = inner.op("GATHER", xs, at, dims=(batch, rows), axis=0)
        y, after = _after(direction_of(op, direction, inner), step, x, states, at)
        return [*after, stack.put(whole, y, number, inner)]

    def test(condition: Writer, number: Tensor, inside: list[Tensor]) -> Tensor:
        return compared("LESS", condition.cast(number, dtypes.i32), count(condition), condition)

    direction = number
    carried = [*(Carried(x, state) for x in initial), stack.empty([w[op.x]], w)]
    _, *states, y = repeated(carried, body, test, w, shared=[inputs])
    y.dims = (steps, batch, op.hidden)
    return y, states


def _initial_values(op: Recurrent) -> list[Value | None]:
    return [op.h0, op.c0] if isinstance(op, Lstm) else [op.h0]


def _initial(op: Recurrent, value: Value | None, number: int, w: Writer) -> Tensor:
    dims = (op.x.type.dims[1], op.hidden)
    if value is not None:
        return reshaped(cropped(w[value], (number, 0, 0), (1, *dims), w), dims, w)
    if isinstance(dims[0], int):
        return w.const(np.zeros(dims, np.float32))
    return w.op("FILL", vector(dims, [w[op.x]], w), w.const(np.float32(0)), dims=dims,
                dtype=dtypes.f32)  # fmt: skip
