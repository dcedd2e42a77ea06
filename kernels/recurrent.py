"""Kernels of recurrent layers.

Float32 (float64 for float64) throughout: each step adds at most (I + H)·u·Σ|w·x| before the
activations, and errors of the state travel on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgec.ir import Array
from edgec.ir.ops import Gru, Lstm, Rnn
from edgec.ir.ops.recurrent import Recurrent
from edgec.kernels.precision import rounded, widened
from edgec.kernels.table import KERNELS

if TYPE_CHECKING:
    from edgec.kernels.loops.recurrent import Sequences


@KERNELS.rule(Rnn)
def rnn(
    op: Rnn, x: Array, w: Array, r: Array, b: Array | None, lens: Array | None, h0: Array | None
) -> tuple[Array, ...]:
    from edgec.kernels.loops import recurrent as loops

    sequences = _sequences(op, x, w, r, b, lens, h0)
    y, y_h = _results(op, sequences)
    with np.errstate(over="ignore", invalid="ignore"):
        loops.rnn(sequences, y, y_h)
    return _rounded(op, y, y_h)


@KERNELS.rule(Gru)
def gru(
    op: Gru, x: Array, w: Array, r: Array, b: Array | None, lens: Array | None, h0: Array | None
) -> tuple[Array, ...]:
    from edgec.kernels.loops import recurrent as loops

    sequences = _sequences(op, x, w, r, b, lens, h0)
    y, y_h = _results(op, sequences)
    with np.errstate(over="ignore", invalid="ignore"):
        loops.gru(sequences, op.linear_before_reset, y, y_h)
    return _rounded(op, y, y_h)


@KERNELS.rule(Lstm)
def lstm(
    op: Lstm, x: Array, w: Array, r: Array, b: Array | None, lens: Array | None,
    h0: Array | None, c0: Array | None, p: Array | None,
) -> tuple[Array, ...]:  # fmt: skip
    from edgec.kernels.loops import recurrent as loops

    sequences = _sequences(op, x, w, r, b, lens, h0)
    y, y_h, y_c = _results(op, sequences)
    c_start, peepholes = (None if v is None else widened(v) for v in (c0, p))
    with np.errstate(over="ignore", invalid="ignore"):
        loops.lstm(sequences, c_start, peepholes, op.input_forget, y, y_h, y_c)
    return _rounded(op, y, y_h, y_c)


def _sequences(
    op: Recurrent, x: Array, w: Array, r: Array, b: Array | None, lens: Array | None,
    h0: Array | None,
) -> Sequences:  # fmt: skip
    from edgec.kernels.loops.activations import activations
    from edgec.kernels.loops.recurrent import Sequences

    functions = activations(op.functions, op.alphas, op.betas)
    bias, state = (None if v is None else widened(v) for v in (b, h0))
    return Sequences(
        widened(x), widened(w), widened(r), bias, lens, state, op.direction, functions,
        op.clip or None,
    )  # fmt: skip


def _results(op: Recurrent, sequences: Sequences) -> list[Array]:
    steps, batch, _ = sequences.x.shape
    state = (op.directions, batch, op.hidden)
    dtype = sequences.x.dtype
    return [np.empty((steps, *state), dtype), *(np.empty(state, dtype) for _ in range(op.states))]


def _rounded(op: Recurrent, *arrays: Array) -> tuple[Array, ...]:
    return tuple(rounded(array, op.x.type.dtype.numpy) for array in arrays)
