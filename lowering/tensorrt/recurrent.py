"""Recurrent layers: TensorRT has loops, and no layer for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edgec.ir import Value
from edgec.ir.ops import Gru, Lstm, Rnn
from edgec.ir.ops.recurrent import Recurrent
from edgec.lowering.tensorrt.layers import out
from edgec.lowering.tensorrt.quant import known_array
from edgec.lowering.tensorrt.table import TENSORRT, Tensor, limit
from edgec.lowering.tensorrt.writer import Writer

# With alpha and beta, of those that have no parameters.
FUNCTIONS = {
    "relu": ("RELU", 0.0, 0.0),
    "sigmoid": ("SIGMOID", 0.0, 0.0),
    "tanh": ("TANH", 0.0, 0.0),
    "softplus": ("SOFTPLUS", 1.0, 1.0),
    "softsign": ("SOFTSIGN", 0.0, 0.0),
}
Step: Any = Callable[[Tensor, Sequence[Tensor]], Sequence[Tensor]]


@limit(Lstm, Gru, Rnn)
def recurrent_limit(op: Recurrent) -> str | None:
    strange = sorted({name for name in op.functions if name.lower() not in FUNCTIONS})
    if strange:
        return f"gates are activated by {', '.join(FUNCTIONS)}, not {', '.join(strange)}"
    if op.lens is not None:
        return "sequences of a batch have one length"
    return None


@dataclass
class _Cell:
    """One direction of a layer: its parameters as tensors, and the functions of its gates."""

    op: Recurrent
    direction: int
    w: Writer

    def part(self, value: Value, begin: int, end: int, axis: int = 1) -> Tensor:
        """Rows of a parameter of this direction, which leads it as an axis of 1. Stored integers
        become floats at once: a loop takes none."""
        known = known_array(value)
        if known is not None:
            own = known[self.direction : self.direction + 1]
            cut = [slice(None)] * own.ndim
            cut[axis] = slice(begin, end)
            return self.w.const(own[tuple(cut)])
        start, size = [0] * value.type.rank, [*self.w[value].shape]
        start[0], size[0] = self.direction, 1
        start[axis], size[axis] = begin, end - begin
        return self.w.slice(self.w[value], start, size, [1] * len(start))

    def gates(self, value: Value, first: int, last: int) -> Tensor:
        """The rows of gates first…last - 1 of w, r or b."""
        size = self.op.hidden
        return self.part(value, first * size, last * size)

    def bias(self, recurrence: bool, first: int, last: int) -> Tensor | None:
        """[1, (last - first) * H]"""
        if self.op.b is None:
            return None
        offset = self.op.gates if recurrence else 0
        return self.gates(self.op.b, offset + first, offset + last)

    def plus(self, x: Tensor, bias: Tensor | None) -> Tensor:
        return x if bias is None else self.w.binary("SUM", x, bias)

    def times(self, x: Tensor, weights: Tensor) -> Tensor:
        """x [B, n] by weights [1, m, n], transposed."""
        kinds = self.w.trt.MatrixOperation
        matrix = self.w.reshape(weights, [*weights.shape[1:]])
        return out(self.w.net.add_matrix_multiply(x, kinds.NONE, matrix, kinds.TRANSPOSE))

    def activate(self, index: int, x: Tensor) -> Tensor:
        """The activation number ``index`` of the clipped x."""
        w, op = self.w, self.op
        if op.clip:
            x = w.activation("CLIP", x, -op.clip, op.clip)
        names = op.functions[self.direction * len(op.usual) :]
        return w.activation(FUNCTIONS[names[index].lower()][0], x,
                            *FUNCTIONS[names[index].lower()][1:])  # fmt: skip

    def split(self, x: Tensor, count: int) -> list[Tensor]:
        """Equal parts of the last axis of [B, count * H]."""
        batch, size = self.w.sizes(x)[0], self.op.hidden
        starts = (self.w.ints([0, i * size]) for i in range(count))
        if isinstance(batch, int):
            return [self.w.slice(x, [0, i * size], [batch, size], [1, 1]) for i in range(count)]
        shape, ones = self.w.listed([batch, size]), self.w.ints([1, 1])
        return [self.w.slice_computed(x, start, shape, ones) for start in starts]

    def products(self) -> Tensor:
        """x w^T for all steps at once: [T, B, gates * H]."""
        w, kinds = self.w, self.w.trt.MatrixOperation
        weights = self.gates(self.op.w, 0, self.op.gates)
        return out(w.net.add_matrix_multiply(w[self.op.x], kinds.NONE, weights, kinds.TRANSPOSE))

    def state(self, given: Value | None) -> Tensor:
        """[B, H], zeros when absent."""
        w, hidden = self.w, self.op.hidden
        batch = w.sizes(w[self.op.x])[1]
        if given is None:
            zero = w.const([[0]], self.op.x.type.dtype)
            return w.expand(zero, [batch, hidden])
        if self.op.directions == 1:
            return w.under(w[given], [batch, hidden])
        chosen = w.net.add_gather_v2(w[given], w.ints([self.direction]), w.trt.GatherMode.DEFAULT)
        chosen.axis = 0
        return w.under(out(chosen), [batch, hidden])


def _run(cell: _Cell, inputs: Tensor, states: Sequence[Tensor], step: Any) -> list[Tensor]:
    """Loop over the steps: y [T, B, H], then each final state [B, H]."""
    w, op = cell.w, cell.op
    backward = op.direction == "reverse" or cell.direction == 1
    trips = w.reshape(w.size(w[op.x], 0), ())
    loop = w.net.add_loop()
    loop.add_trip_limit(trips, w.trt.TripLimit.COUNT)
    part = out(loop.add_iterator(inputs, 0, backward))
    recurrences = [loop.add_recurrence(state) for state in states]
    after = step(part, [out(layer) for layer in recurrences])
    for layer, state in zip(recurrences, after, strict=True):
        layer.set_input(1, state)
    kinds = w.trt.LoopOutput
    stacked = loop.add_loop_output(after[0], kinds.REVERSE if backward else kinds.CONCATENATE, 0)
    stacked.set_input(1, trips)
    last = [out(loop.add_loop_output(out(r), kinds.LAST_VALUE)) for r in recurrences]
    return [out(stacked), *last]


def _joined(op: Recurrent, found: Sequence[Sequence[Tensor]], w: Writer) -> list[Tensor]:
    """The results of both directions side by side: y [T, D, B, H], states [D, B, H]."""
    results = []
    for index in range(1 + op.states):
        parts = []
        for direction in found:
            steps = w.sizes(direction[index])
            at = 1 if index == 0 else 0
            parts.append(w.under(direction[index], [*steps[:at], 1, *steps[at:]]))
        results.append(w.concat(parts, 1 if index == 0 else 0))
    return results


@TENSORRT.rule(Rnn)
def rnn(op: Rnn, w: Writer) -> list[Tensor]:
    found = []
    for direction in range(op.directions):
        cell = _Cell(op, direction, w)
        inputs = cell.plus(cell.plus(cell.products(), _three(cell, False)), _three(cell, True))
        r = cell.gates(op.r, 0, 1)

        def step(x: Tensor, states: Sequence[Tensor], cell: _Cell = cell, r: Tensor = r) -> Any:
            return [cell.activate(0, w.binary("SUM", x, cell.times(states[0], r)))]

        found.append(_run(cell, inputs, [cell.state(op.h0)], step))
    return _joined(op, found, w)


def _three(cell: _Cell, recurrence: bool, first: int = 0, last: int | None = None) -> Tensor | None:
    """A bias that is added to [T, B, gates * H]."""
    return cell.bias(recurrence, first, cell.op.gates if last is None else last)


@TENSORRT.rule(Lstm)
def lstm(op: Lstm, w: Writer) -> list[Tensor]:
    found = []
    for direction in range(op.directions):
        cell = _Cell(op, direction, w)
        inputs = cell.plus(cell.plus(cell.products(), _three(cell, False)), _three(cell, True))
        step = _LstmStep(op, cell)
        found.append(_run(cell, inputs, [cell.state(op.h0), cell.state(op.c0)], step))
    return _joined(op, found, w)


class _LstmStep:
    """Gates i, o, f, c: c' = f * c + i * g(cell), h' = o * h(c')."""

    def __init__(self, op: Lstm, cell: _Cell) -> None:
        self.op, self.cell = op, cell
        self.r = cell.gates(op.r, 0, 4)
        size = op.hidden
        self.peepholes: list[Tensor | None] = [None] * 3
        if op.p is not None:
            self.peepholes = [cell.part(op.p, i * size, (i + 1) * size) for i in range(3)]

    def __call__(self, x: Tensor, states: Sequence[Tensor]) -> list[Tensor]:
        cell, w = self.cell, self.cell.w
        h, c = states
        i, o, f, new = cell.split(w.binary("SUM", x, cell.times(h, self.r)), 4)
        enter = cell.activate(0, self._seen(i, 0, c))
        keep = w.binary("SUB", w.like([[1]], enter), enter)
        if not self.op.input_forget:
            keep = cell.activate(0, self._seen(f, 2, c))
        gained = w.binary("PROD", enter, cell.activate(1, new))
        c = w.binary("SUM", w.binary("PROD", keep, c), gained)
        leave = cell.activate(0, self._seen(o, 1, c))
        name = self.op.functions[cell.direction * 3 + 2].lower()
        shown = w.activation(FUNCTIONS[name][0], c, *FUNCTIONS[name][1:])
        return [w.binary("PROD", leave, shown), c]

    def _seen(self, gate: Tensor, which: int, c: Tensor) -> Tensor:
        """With the peephole to the cell."""
        peephole = self.peepholes[which]
        w = self.cell.w
        return gate if peephole is None else w.binary("SUM", gate, w.binary("PROD", peephole, c))


@TENSORRT.rule(Gru)
def gru(op: Gru, w: Writer) -> list[Tensor]:
    found = []
    for direction in range(op.directions):
        cell = _Cell(op, direction, w)
        inputs = cell.plus(cell.products(), _three(cell, False))
        found.append(_run(cell, inputs, [cell.state(op.h0)], _GruStep(op, cell)))
    return _joined(op, found, w)


class _GruStep:
    """Gates z, s, h: h' = (1 - z) * g(new) + z * h."""

    def __init__(self, op: Gru, cell: _Cell) -> None:
        self.op, self.cell = op, cell
        self.r_gates, self.r_new = cell.gates(op.r, 0, 2), cell.gates(op.r, 2, 3)
        self.b_gates, self.b_new = cell.bias(True, 0, 2), cell.bias(True, 2, 3)

    def __call__(self, x: Tensor, states: Sequence[Tensor]) -> list[Tensor]:
        cell, w = self.cell, self.cell.w
        [h] = states
        first, second, new = cell.split(x, 3)
        both = cell.plus(cell.times(h, self.r_gates), self.b_gates)
        parts = zip((first, second), cell.split(both, 2), strict=True)
        update, reset = (cell.activate(0, w.binary("SUM", a, b)) for a, b in parts)
        if self.op.linear_before_reset:
            state = cell.plus(cell.times(h, self.r_new), self.b_new)
            state = w.binary("PROD", reset, state)
        else:
            state = cell.plus(cell.times(w.binary("PROD", reset, h), self.r_new), self.b_new)
        candidate = cell.activate(1, w.binary("SUM", new, state))
        fresh = w.binary("PROD", w.binary("SUB", w.like([[1]], update), update), candidate)
        return [w.binary("SUM", fresh, w.binary("PROD", update, h))]
