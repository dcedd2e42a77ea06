"""Recurrent layers."""

from __future__ import annotations

from typing import Any

from edgec.ir import dtypes
from edgec.ir.dims import Dim
from edgec.ir.op import Floats, Op, OpError, Strs, Types, Work, attr, operand
from edgec.ir.ops.common import require_dim, require_rank, same_dtype
from edgec.ir.sampling import FLOATS, Sampler
from edgec.ir.value import Value

DIRECTIONS = ("forward", "reverse", "bidirectional")
FUNCTIONS = (
    "Affine", "Elu", "HardSigmoid", "LeakyRelu", "Relu", "ScaledTanh", "Sigmoid", "Softplus",
    "Softsign", "Tanh", "ThresholdedRelu",
)  # fmt: skip
_KNOWN = frozenset(name.lower() for name in FUNCTIONS)
_WITH_ALPHA = ("Affine", "Elu", "HardSigmoid", "LeakyRelu", "ScaledTanh", "ThresholdedRelu")
_WITH_BETA = ("Affine", "HardSigmoid", "ScaledTanh")


class Recurrent(Op):
    """Base of the recurrent layers: T steps, batch B, input size I, D directions, hidden size H.

    ``x`` is [T, B, I], ``w`` [D, gates*H, I], ``r`` [D, gates*H, H], ``b`` [D, 2*gates*H] (of the
    input, then of the recurrence), ``h0`` [D, B, H] the initial state (0 when absent). ``lens`` [B]
    (i32) ends sequences early: later results are 0, the state stays, and the reverse direction
    starts there. Results: y [T, D, B, H] and the final state y_h [D, B, H].
    ``activations`` names the functions of each direction in turn (empty: the usual ones), as ONNX
    spells them; ``alphas`` and ``betas`` are theirs in order; ``clip`` > 0 bounds the input of the
    gates' activations.
    """

    x: Value = operand()
    w: Value = operand()
    r: Value = operand()
    b: Value | None = operand(default=None)
    lens: Value | None = operand(default=None)
    h0: Value | None = operand(default=None)
    hidden: int = attr(kw_only=True)
    direction: str = attr(default="forward")
    activations: Strs = attr(default=())
    alphas: Floats = attr(default=())
    betas: Floats = attr(default=())
    clip: float = attr(default=0.0)

    gates = 1
    states = 1
    usual: Strs = ("Tanh",)

    @property
    def directions(self) -> int:
        return 2 if self.direction == "bidirectional" else 1

    @property
    def functions(self) -> Strs:
        """The activations of each direction in turn."""
        return self.activations or self.usual * self.directions

    def infer(self) -> Types:
        same_dtype(*(value for value in self.operands if value is not self.lens))
        require_rank(self.x, 3, "x")
        steps, batch, size = self.x.type.dims
        state = (self.directions, batch, self.hidden)
        rows = self.gates * self.hidden
        _require(self.w, (self.directions, rows, size), "w")
        _require(self.r, (self.directions, rows, self.hidden), "r")
        _require(self.b, (self.directions, 2 * rows), "b")
        _require(self.lens, (batch,), "lens")
        _require(self.h0, state, "h0")
        y, last = (steps, *state), state
        return tuple(self.x.type.with_dims(dims) for dims in (y, *[last] * self.states))

    def check(self) -> None:
        if self.direction not in DIRECTIONS:
            raise OpError(f"direction is one of {DIRECTIONS}, found {self.direction!r}")
        strange = [name for name in self.functions if name.lower() not in _KNOWN]
        if strange:
            raise OpError(f"activations are of {FUNCTIONS}, found {strange}")
        wanted = len(self.usual) * self.directions
        if len(self.functions) != wanted:
            raise OpError(f"wants {wanted} activations, found {list(self.functions)}")
        if self.lens is not None and self.lens.type.dtype is not dtypes.i32:
            raise OpError(f"lens want i32, found {self.lens.type}")

    def work(self) -> Work:
        steps = self.x.type.with_dims(self.x.type.dims[:2]).elements()
        macs = steps * (self.w.type.elements() + self.r.type.elements())
        return Work(macs=macs, bytes=super().work().bytes)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        return cls.drawn(draw)

    @classmethod
    def drawn(cls, draw: Sampler, **more: Any) -> Op:
        """A layer with ``more`` attributes; operands that only a subclass has are absent."""
        steps, batch, size, hidden = draw.shape(4, 1, 4)
        direction = draw.choice(DIRECTIONS)
        count = 2 if direction == "bidirectional" else 1
        rows, dtype = cls.gates * hidden, draw.choice(FLOATS)
        named: Strs = ()
        if draw.chance(0.4):
            named = tuple(draw.choice(FUNCTIONS) for _ in range(count * len(cls.usual)))
        return cls(
            draw.value(dtype, (steps, batch, size), low=-1, high=1),
            draw.value(dtype, (count, rows, size), low=-1, high=1),
            draw.value(dtype, (count, rows, hidden), low=-1, high=1),
            draw.value(dtype, (count, 2 * rows), low=-1, high=1) if draw.chance() else None,
            draw.given(draw.rng.integers(1, steps + 1, batch, "int32")) if draw.chance() else None,
            draw.value(dtype, (count, batch, hidden), low=-1, high=1) if draw.chance() else None,
            hidden=hidden,
            direction=direction,
            activations=named,
            alphas=tuple(draw.choice((0.25, 0.5)) for name in named if name in _WITH_ALPHA),
            betas=tuple(draw.choice((0.25, 0.5)) for name in named if name in _WITH_BETA),
            clip=draw.choice((0.0, 0.0, 0.5)),
            **more,
        )


class Rnn(Recurrent, name="rnn.rnn"):
    """h' = f(x w^T + h r^T + b)"""


class Gru(Recurrent, name="rnn.gru"):
    """h' = (1 - z) * g(x w_h^T + (s * h) r_h^T + b_h) + z * h; z, s = f(x w^T + h r^T + b)

    Gates in the order z (update), s (reset), h (hidden). With ``linear_before_reset`` the reset
    gate scales (h r_h^T + recurrence bias) instead of h (Cho et al., 2014; ONNX GRU-22).
    """

    linear_before_reset: bool = attr(default=False)

    gates = 3
    usual = ("Sigmoid", "Tanh")

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        return cls.drawn(draw, linear_before_reset=draw.chance())


class Lstm(Recurrent, name="rnn.lstm"):
    """c' = f * c + i * g(cell), h' = o * h(c'); i, o, f, cell from x w^T + h r^T + b

    Gates in the order i (input), o (output), f (forget), c (cell). ``p`` [D, 3*H] are peepholes
    from c to i, o, f; ``input_forget`` makes f = 1 - i. A third result y_c is the final c, whose
    initial value is ``c0`` (Hochreiter and Schmidhuber, 1997; ONNX LSTM-22).
    """

    c0: Value | None = operand(default=None)
    p: Value | None = operand(default=None)
    input_forget: bool = attr(default=False)

    gates = 4
    states = 2
    usual = ("Sigmoid", "Tanh", "Tanh")

    def infer(self) -> Types:
        types = super().infer()
        _require(self.c0, types[1].dims, "c0")
        _require(self.p, (self.directions, 3 * self.hidden), "p")
        return types

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        plain = cls.drawn(draw, input_forget=draw.chance(0.3))
        state = plain.results[1].type
        dims = state.static_dims or ()
        c0 = draw.value(state.dtype, dims) if draw.chance() else None
        p = draw.value(state.dtype, (dims[0], 3 * dims[2])) if draw.chance() else None
        return plain.copy(c0=c0, p=p)


def _require(value: Value | None, dims: tuple[Dim, ...], what: str) -> None:
    if value is None:
        return
    require_rank(value, len(dims), what)
    for found, wanted in zip(value.type.dims, dims, strict=True):
        require_dim(found, wanted, f"a dim of {what}")
