"""Recurrent layers LSTM, GRU and RNN, one direction after the other, ONNX layout 0.

Shapes: X [T, B, I], W [D, G*H, I], R [D, G*H, H], B [D, 2*G*H], states [D, B, H], Y [T, D, B, H]
with D directions and G gates. All arrays have one float dtype. The input products of all steps are
one matrix product; each step adds one with the state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgec.kernels.loops.activations import Activation

Array = NDArray[Any]


@dataclass(frozen=True)
class Sequences:
    """What the three layers share: operands, direction, activations, clip.

    ``direction`` is forward, reverse or bidirectional; ``activations`` holds those of each
    direction in turn. ``lengths`` [B] ends each sequence early: its outputs are then 0 and its
    state stays. A reverse direction starts at the end of each sequence. ``clip`` bounds the input
    of every activation.
    """

    x: Array
    w: Array
    r: Array
    bias: Array | None
    lengths: Array | None
    initial_h: Array | None
    direction: str
    activations: Sequence[Activation]
    clip: float | None = None

    @property
    def hidden(self) -> int:
        """H, the size of the state."""
        return int(self.r.shape[2])

    def state(self, initial: Array | None, direction: int) -> Array:
        """A fresh copy of the initial state [B, H], zero if there is none."""
        if initial is not None:
            return np.array(initial[direction])
        return np.zeros((self.x.shape[1], self.hidden), self.x.dtype)

    def activate(self, function: Activation, values: Array) -> Array:
        """The activation of the clipped values."""
        return function(values if self.clip is None else np.clip(values, -self.clip, self.clip))

    def biases(self, direction: int) -> tuple[Array, Array]:
        """Input and recurrence bias [G*H] of one direction."""
        size = self.w.shape[1]
        if self.bias is None:
            zero = np.zeros(size, self.x.dtype)
            return zero, zero
        return self.bias[direction, :size], self.bias[direction, size:]

    def of_direction(self, direction: int) -> Sequence[Activation]:
        """The activations of one direction."""
        count = len(self.activations) // self.w.shape[0]
        return self.activations[direction * count : (direction + 1) * count]


@dataclass
class _Run:
    """One direction in progress: the state and where its outputs go."""

    h: Array
    y: Array
    batch: NDArray[np.int64]
    times: NDArray[np.int64]
    active: NDArray[np.bool_]

    def emit(self, step: int, value: Array) -> None:
        """Store the new state as the output of this step, where the sequence goes on."""
        active = self.active[step]
        np.copyto(self.h, value, where=active)
        rows = active[:, 0]
        self.y[self.times[step][rows], self.batch[rows]] = self.h[rows]


def _start(sequences: Sequences, d: int, y: Array) -> tuple[_Run, Array]:
    """The run of direction ``d`` and its input products [T, B, G*H] in order of processing."""
    steps, batch, size = sequences.x.shape
    lengths = np.full(batch, steps) if sequences.lengths is None else sequences.lengths
    step = np.arange(steps)[:, None]
    active = step < lengths
    backward = sequences.direction == "reverse" or d == 1
    times = np.where(active, lengths - 1 - step, 0) if backward else np.tile(step, (1, batch))
    products = sequences.x.reshape(-1, size) @ sequences.w[d].T
    products = products.reshape(steps, batch, sequences.w.shape[1])[times, np.arange(batch)]
    y[:, d] = 0
    h = sequences.state(sequences.initial_h, d)
    run = _Run(h, y[:, d], np.arange(batch), times, active[:, :, None])
    return run, products + sequences.biases(d)[0]


def lstm(
    sequences: Sequences,
    initial_c: Array | None,
    peepholes: Array | None,
    input_forget: bool,
    y: Array,
    y_h: Array,
    y_c: Array,
) -> None:
    """ONNX LSTM-22; gates i, o, f, c, peepholes [D, 3*H] of i, o, f; fills y, y_h and y_c.

    c' = f * c + i * g(pre_c), h' = o * h(c'); ``input_forget`` makes f = 1 - i. ``clip`` bounds the
    gates' input, not that of h, which onnxruntime leaves unclipped too.
    """
    hidden = sequences.hidden
    for d in range(sequences.w.shape[0]):
        f, g, h = sequences.of_direction(d)
        recurrence = sequences.r[d].T
        p_i, p_o, p_f = (
            np.zeros((3, hidden), y.dtype) if peepholes is None else peepholes[d].reshape(3, hidden)
        )
        c = sequences.state(initial_c, d)
        run, inputs = _start(sequences, d, y)
        inputs += sequences.biases(d)[1]
        for step in range(len(inputs)):
            gates = inputs[step] + run.h @ recurrence
            pre_i, pre_o, pre_f, pre_c = np.split(gates, 4, axis=1)
            i = sequences.activate(f, pre_i + p_i * c)
            forget = 1 - i if input_forget else sequences.activate(f, pre_f + p_f * c)
            cell = forget * c + i * sequences.activate(g, pre_c)
            o = sequences.activate(f, pre_o + p_o * cell)
            np.copyto(c, cell, where=run.active[step])
            run.emit(step, o * h(cell))
        y_h[d], y_c[d] = run.h, c


def gru(sequences: Sequences, linear_before_reset: bool, y: Array, y_h: Array) -> None:
    """ONNX GRU-22; gates z, r, h; fills y and y_h.

    h' = (1 - z) * g(pre_h) + z * h, where the reset gate scales the state or, with
    ``linear_before_reset``, its product with the recurrence weights plus bias.
    """
    hidden = sequences.hidden
    for d in range(sequences.w.shape[0]):
        f, g = sequences.of_direction(d)
        gates_r, hidden_r = sequences.r[d, : 2 * hidden].T, sequences.r[d, 2 * hidden :].T
        bias = sequences.biases(d)[1]
        bias_gates, bias_h = bias[: 2 * hidden], bias[2 * hidden :]
        run, inputs = _start(sequences, d, y)
        for step in range(len(inputs)):
            into_gates, into_h = inputs[step, :, : 2 * hidden], inputs[step, :, 2 * hidden :]
            gates = sequences.activate(f, into_gates + run.h @ gates_r + bias_gates)
            update, reset = gates[:, :hidden], gates[:, hidden:]
            if linear_before_reset:
                state = reset * (run.h @ hidden_r + bias_h)
            else:
                state = (reset * run.h) @ hidden_r + bias_h
            candidate = sequences.activate(g, into_h + state)
            run.emit(step, (1 - update) * candidate + update * run.h)
        y_h[d] = run.h


def rnn(sequences: Sequences, y: Array, y_h: Array) -> None:
    """ONNX RNN-22: h' = f(x @ W^T + h @ R^T + biases); fills y and y_h."""
    for d in range(sequences.w.shape[0]):
        (f,) = sequences.of_direction(d)
        recurrence = sequences.r[d].T
        run, inputs = _start(sequences, d, y)
        inputs += sequences.biases(d)[1]
        for step in range(len(inputs)):
            run.emit(step, sequences.activate(f, inputs[step] + run.h @ recurrence))
        y_h[d] = run.h
