"""Recurrent layers, step after step.

The products of the inputs with their weights are one FULLY_CONNECTED over all steps. The builtin
sequence operators keep their states hidden inside, take no initial ones, and know fewer gates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from edgec.ir import Dim, Value, dtypes
from edgec.ir.ops import Gru, Lstm, Rnn
from edgec.ir.ops.recurrent import Recurrent
from edgec.lowering.tflite.activation import soft_plus
from edgec.lowering.tflite.fused import hard_sigmoid
from edgec.lowering.tflite.legalize import binary, clipped, compared, scaled, selected, shifted
from edgec.lowering.tflite.linear import product
from edgec.lowering.tflite.shapes import cropped, is_constant, reshaped
from edgec.lowering.tflite.table import PIN, TFLITE, Unwritable
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer

MOST_STEPS = 512

Function = Callable[[Tensor], Tensor]


@TFLITE.rule(Rnn)
def rnn(op: Rnn, w: Writer) -> list[Tensor]:
    return _layer(op, w, _rnn_step)


@TFLITE.rule(Gru)
def gru(op: Gru, w: Writer) -> list[Tensor]:
    return _layer(op, w, _gru_step)


@TFLITE.rule(Lstm)
def lstm(op: Lstm, w: Writer) -> list[Tensor]:
    return _layer(op, w, _lstm_step)


@dataclass
class Direction:
    """One direction of a layer.

    Attributes:
        r: recurrent weights [gates * H, H].
        bias: of the input and of the recurrence, [gates * H] each.
        functions: the activations.
        peepholes: [H] each, for input, output and forget gate.
    """

    op: Recurrent
    w: Writer
    r: Tensor
    bias: tuple[Tensor | None, Tensor | None]
    functions: Sequence[Function]
    peepholes: Sequence[Tensor] = field(default=())

    def bounded(self, x: Tensor) -> Tensor:
        """The input of a gate's activation."""
        return clipped(x, -self.op.clip, self.op.clip, self.w) if self.op.clip else x

    def recurrent(self, h: Tensor, first: int, count: int, *, bias: bool = True) -> Tensor:
        """h r^T plus the bias of the recurrence, for some gates."""
        hidden = self.op.hidden
        rows = (count * hidden, hidden)
        weights = cropped(self.r, (first * hidden, 0), rows, self.w)
        own = self.bias[1] if bias else None
        if own is not None:
            own = cropped(own, (first * hidden,), rows[:1], self.w)
        return dense(h, weights, own, self.w)

    def gates(self, x: Tensor) -> list[Tensor]:
        """[B, n * H] as n of [B, H]."""
        count = x.dims[1] // self.op.hidden
        assert isinstance(count, int)
        return list(_parts(x, 1, count, self.op.hidden, self.w))


Step = Callable[[Direction, Tensor, list[Tensor]], list[Tensor]]


def dense(x: Tensor, weights: Tensor, bias: Tensor | None, w: Writer) -> Tensor:
    """x weights^T + bias of x [B, I], by FULLY_CONNECTED where the weights are constant."""
    rows = weights.dims[0]
    if is_constant(weights) and (bias is None or is_constant(bias)):
        assert isinstance(rows, int)
        own = w.const(np.zeros(rows, np.float32)) if bias is None else bias
        return w.op("FULLY_CONNECTED", x, weights, own, dims=(x.dims[0], rows))
    y = product(x, weights, w, transpose_b=True)
    return y if bias is None else binary("ADD", y, bias, w)


def _parts(x: Tensor, axis: int, count: int, size: int, w: Writer) -> Iterator[Tensor]:
    if count == 1:
        yield x
        return
    dims = (*x.dims[:axis], size, *x.dims[axis + 1 :])
    yield from w.ops("SPLIT", [w.const(axis, dtypes.i32), x], [(dims, x.dtype)] * count,
                     num_splits=count)  # fmt: skip


def _layer(op: Recurrent, w: Writer, step: Step) -> list[Tensor]:
    steps = op.x.type.dims[0]
    if not isinstance(steps, int) or steps > MOST_STEPS:
        raise Unwritable(f"recurrent layers are written out for up to {MOST_STEPS} steps, "
                         f"found {steps}", PIN)  # fmt: skip
    outputs: list[list[Tensor]] = []
    finals: list[list[Tensor]] = []
    for number in range(op.directions):
        backwards = op.direction == "reverse" or number == 1
        seen, states = _run(op, number, backwards, step, w)
        outputs.append(seen)
        finals.append(states)
    batch = op.x.type.dims[1]
    dims = (steps, batch, op.hidden)
    y = _packed([_packed(each, 0, dims, w) for each in outputs], 1, op.results[0].type.dims, w)
    states = [
        _packed([each[i] for each in finals], 0, op.results[1].type.dims, w)
        for i in range(op.states)
    ]
    return [y, *states]


def _packed(parts: Sequence[Tensor], axis: int, dims: Sequence[Dim], w: Writer) -> Tensor:
    """The parts along a new axis."""
    if len(parts) == 1:
        return reshaped(parts[0], dims, w)
    return w.op("PACK", *parts, dims=dims, values_count=len(parts), axis=axis)


def _run(
    op: Recurrent, number: int, backwards: bool, step: Step, w: Writer
) -> tuple[list[Tensor], list[Tensor]]:
    """The result of each step, and the final states, of one direction."""
    direction = _direction(op, number, w)
    steps, batch, size = op.x.type.dims
    assert isinstance(steps, int)
    rows = op.gates * op.hidden
    flat = reshaped(w[op.x], (steps * batch, size), w)
    weights = reshaped(cropped(w[op.w], (number, 0, 0), (1, rows, size), w), (rows, size), w)
    inputs = dense(flat, weights, direction.bias[0], w)
    stacked = reshaped(inputs, (steps, batch, rows), w)
    each = w.ops("UNPACK", [stacked], [((batch, rows), stacked.dtype)] * steps, num=steps, axis=0)
    states = [_initial(op, value, number, w) for value in _initial_values(op)]
    found: dict[int, Tensor] = {}
    for at in range(steps)[::-1] if backwards else range(steps):
        after = step(direction, each[at], states)
        y = after[0]
        if op.lens is not None:
            alive = compared("GREATER", reshaped(w[op.lens], (batch, 1), w),
                             w.const(at, dtypes.i32), w)  # fmt: skip
            after = [selected(alive, new, old, w) for new, old in zip(after, states, strict=True)]
            y = selected(alive, y, w.like(0, y), w)
        found[at], states = y, after
    return [found[at] for at in range(steps)], states


def _initial_values(op: Recurrent) -> list[Value | None]:
    return [op.h0, op.c0] if isinstance(op, Lstm) else [op.h0]


def _initial(op: Recurrent, value: Value | None, number: int, w: Writer) -> Tensor:
    batch = op.x.type.dims[1]
    if value is not None:
        part = cropped(w[value], (number, 0, 0), (1, batch, op.hidden), w)
        return reshaped(part, (batch, op.hidden), w)
    if not isinstance(batch, int):
        raise Unwritable("the initial state of a batch that is not known", PIN)
    return w.const(np.zeros((batch, op.hidden), np.float32))


def _direction(op: Recurrent, number: int, w: Writer) -> Direction:
    rows, hidden = op.gates * op.hidden, op.hidden
    r = reshaped(cropped(w[op.r], (number, 0, 0), (1, rows, hidden), w), (rows, hidden), w)
    bias: tuple[Tensor | None, Tensor | None] = (None, None)
    if op.b is not None:
        first, second = (
            reshaped(cropped(w[op.b], (number, begin), (1, rows), w), (rows,), w)
            for begin in (0, rows)
        )
        bias = (first, second)
    peepholes: list[Tensor] = []
    if isinstance(op, Lstm) and op.p is not None:
        peepholes = [
            reshaped(cropped(w[op.p], (number, i * hidden), (1, hidden), w), (hidden,), w)
            for i in range(3)
        ]
    return Direction(op, w, r, bias, _functions(op, number, w), peepholes)


def _rnn_step(d: Direction, x: Tensor, states: list[Tensor]) -> list[Tensor]:
    (f,) = d.functions
    return [f(d.bounded(binary("ADD", x, d.recurrent(states[0], 0, 1), d.w)))]


def _gru_step(d: Direction, x: Tensor, states: list[Tensor]) -> list[Tensor]:
    w, (h,), (f, g) = d.w, states, d.functions
    x_z, x_s, x_h = d.gates(x)
    if d.op.attribute("linear_before_reset"):
        r_z, r_s, r_h = d.gates(d.recurrent(h, 0, 3))
    else:
        r_z, r_s = d.gates(d.recurrent(h, 0, 2))
    z = f(d.bounded(binary("ADD", x_z, r_z, w)))
    s = f(d.bounded(binary("ADD", x_s, r_s, w)))
    if d.op.attribute("linear_before_reset"):
        inner = binary("MUL", s, r_h, w)
    else:
        inner = d.recurrent(binary("MUL", s, h, w), 2, 1)
    new = g(d.bounded(binary("ADD", x_h, inner, w)))
    kept = binary("MUL", z, binary("SUB", h, new, w), w)  # new + z * (h - new)
    return [binary("ADD", new, kept, w)]


def _lstm_step(d: Direction, x: Tensor, states: list[Tensor]) -> list[Tensor]:
    w, (h, c), (f, g, k) = d.w, states, d.functions
    i, o, forget, cell = d.gates(binary("ADD", x, d.recurrent(h, 0, 4), w))

    def seen(gate: Tensor, state: Tensor, number: int) -> Tensor:
        if not d.peepholes:
            return gate
        return binary("ADD", gate, binary("MUL", d.peepholes[number], state, w), w)

    i = f(d.bounded(seen(i, c, 0)))
    if d.op.attribute("input_forget"):
        forget = binary("SUB", w.like(1, i), i, w)
    else:
        forget = f(d.bounded(seen(forget, c, 2)))
    fresh = binary("MUL", i, g(d.bounded(cell)), w)
    after = binary("ADD", binary("MUL", forget, c, w), fresh, w)
    o = f(d.bounded(seen(o, after, 1)))
    return [binary("MUL", o, k(after), w), after]


# What the functions take when the layer gives no alphas and betas (ONNX RNN-22).
ALPHAS = {"elu": 1.0, "hardsigmoid": 0.2, "leakyrelu": 0.01, "thresholdedrelu": 1.0,
          "affine": 1.0, "scaledtanh": 1.0}  # fmt: skip
BETAS = {"hardsigmoid": 0.5, "affine": 0.0, "scaledtanh": 1.0}


def _functions(op: Recurrent, number: int, w: Writer) -> list[Function]:
    """The activations of one direction; alphas and betas are those of all in turn."""
    alphas, betas = iter(op.alphas), iter(op.betas)
    found = []
    for name in map(str.lower, op.functions):
        alpha = next(alphas, ALPHAS[name]) if name in ALPHAS else 0.0
        beta = next(betas, BETAS[name]) if name in BETAS else 0.0
        found.append(_function(name, alpha, beta, w))
    size = len(op.usual)
    return found[number * size : (number + 1) * size]


def _function(name: str, a: float, b: float, w: Writer) -> Function:
    simple = {"sigmoid": "LOGISTIC", "tanh": "TANH", "relu": "RELU"}
    if name in simple:
        return lambda x: w.op(simple[name], x)
    others: dict[str, Function] = {
        "affine": lambda x: shifted(scaled(x, a, w), b, w),
        "elu": lambda x: _elu(x, a, w),
        "hardsigmoid": lambda x: hard_sigmoid(x, a, b, w=w),
        "leakyrelu": lambda x: w.op("LEAKY_RELU", x, alpha=a),
        "scaledtanh": lambda x: scaled(w.op("TANH", scaled(x, b, w)), a, w),
        "softplus": lambda x: soft_plus(x, w),
        "softsign": lambda x: binary("DIV", x, shifted(w.op("ABS", x), 1, w), w),
        "thresholdedrelu": lambda x: selected(
            compared("GREATER_EQUAL", x, w.like(a, x), w), x, w.like(0, x), w
        ),
    }
    return others[name]


def _elu(x: Tensor, alpha: float, w: Writer) -> Tensor:
    negative = w.op("ELU", binary("MINIMUM", x, w.like(0, x), w))
    return binary("ADD", w.op("RELU", x), scaled(negative, alpha, w), w)
