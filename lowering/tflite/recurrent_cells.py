"""One step of a recurrent layer, in one direction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from edgec.ir import dtypes
from edgec.ir.ops import Lstm
from edgec.ir.ops.recurrent import Recurrent
from edgec.lowering.tflite.activation import soft_plus
from edgec.lowering.tflite.fused import hard_sigmoid
from edgec.lowering.tflite.legalize import binary, clipped, compared, scaled, selected, shifted
from edgec.lowering.tflite.linear import product
from edgec.lowering.tflite.shapes import cropped, is_constant, reshaped
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer

Function = Callable[[Tensor], Tensor]


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


def direction_of(op: Recurrent, number: int, w: Writer) -> Direction:
    """The weights and functions of one direction, for steps that ``w`` writes."""
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


def rnn_step(d: Direction, x: Tensor, states: list[Tensor]) -> list[Tensor]:
    (f,) = d.functions
    return [f(d.bounded(binary("ADD", x, d.recurrent(states[0], 0, 1), d.w)))]


def gru_step(d: Direction, x: Tensor, states: list[Tensor]) -> list[Tensor]:
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


def lstm_step(d: Direction, x: Tensor, states: list[Tensor]) -> list[Tensor]:
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
