"""Recurrent layers. x is [T, B, I]: time, batch, input size; D directions, hidden size H."""

from __future__ import annotations

from edgec.ir.dims import Dim
from edgec.ir.op import Floats, Ints, Op, OpError, Strs, Types, Work, attr, operand
from edgec.ir.ops.common import require_dim, require_rank, same_dtype
from edgec.ir.sampling import FLOATS, Sampler
from edgec.ir.value import Value

DIRECTIONS = ("forward", "reverse", "bidirectional")
FUNCTIONS = (
    "Affine", "Elu", "HardSigmoid", "LeakyRelu", "Relu", "ScaledTanh", "Sigmoid", "Softplus",
    "Softsign", "Tanh", "ThresholdedRelu",
)  # fmt: skip


class Recurrent(Op):
    """Base of the recurrent layers.

    ``w`` is [D, gates*H, I], ``r`` [D, gates*H, H], ``b`` [D, 2*gates*H] (of the input, then of the
    recurrence), ``lens`` [B] (i32) ends sequences early, ``h0`` [D, B, H] is the initial state.
    Results: y [T, D, B, H] and the final state y_h [D, B, H]. ``activations`` names the functions
    of each direction in turn (empty: the usual ones), ``alphas`` and ``betas`` are theirs in order;
    ``clip`` > 0 bounds what goes into them.
    """

    x: Value = operand()
    w: Value = operand()
    r: Value = operand()
    b: Value | None = operand(default=None)
    lens: Value | None = operand(default=None)
    h0: Value | None = operand(default=None)

    gates = 1
    usual: Strs = ("Tanh",)

    @property
    def directions(self) -> int:
        return 2 if self.attribute("direction") == "bidirectional" else 1

    @property
    def functions(self) -> Strs:
        """The activations of each direction in turn."""
        named: Strs = self.attribute("activations")
        return named or self.usual * self.directions

    def infer(self) -> Types:
        same_dtype(*self._float_operands())
        require_rank(self.x, 3, "x")
        steps, batch, size = self.x.type.dims
        hidden, count = self._hidden, self.directions
        state = (count, batch, hidden)
        self._require(self.w, (count, self.gates * hidden, size), "w")
        self._require(self.r, (count, self.gates * hidden, hidden), "r")
        self._require(self.b, (count, 2 * self.gates * hidden), "b")
        self._require(self.lens, (batch,), "lens")
        self._require(self.h0, state, "h0")
        y = self.x.type.with_dims((steps, *state))
        y_state = self.x.type.with_dims(state)
        return (y, *[y_state] * self._states)

    @property
    def _states(self) -> int:
        return 1

    @property
    def _hidden(self) -> int:
        hidden: int = self.attribute("hidden")
        return hidden

    def _float_operands(self) -> list[Value | None]:
        return [value for value in self.operands if value is not self.lens]

    @staticmethod
    def _require(value: Value | None, dims: tuple[Dim, ...], what: str) -> None:
        if value is None:
            return
        require_rank(value, len(dims), what)
        for found, wanted in zip(value.type.dims, dims, strict=True):
            require_dim(found, wanted, f"a dim of {what}")

    def check(self) -> None:
        if self.attribute("direction") not in DIRECTIONS:
            raise OpError(f"direction is one of {DIRECTIONS}, found {self.attribute('direction')!r}")
        known = {name.lower() for name in FUNCTIONS}
        strange = [name for name in self.functions if name.lower() not in known]
        if strange:
            raise OpError(f"activations are of {FUNCTIONS}, found {strange}")
        wanted = len(self.usual) * self.directions
        if len(self.functions) != wanted:
            raise OpError(f"wants {wanted} activations, found {list(self.functions)}")

    def work(self) -> Work:
        inputs = self.w.type.elements() + self.r.type.elements()
        steps = self.x.type.elements() // max(self.x.type.with_dims(self.x.type.dims[2:]).elements(), 1)
        return Work(macs=steps * inputs, bytes=super().work().bytes)


class Rnn(Recurrent, name="rnn.rnn"):
    """h' = f(x w^T + h r^T + b)"""

    hidden: int = attr(kw_only=True)
    direction: str = attr(default="forward")
    activations: Strs = attr(default=())
    alphas: Floats = attr(default=())
    betas: Floats = attr(default=())
    clip: float = attr(default=0.0)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        operands, attributes = draw_recurrent(cls, draw)
        return cls(*operands, **attributes)


class Gru(Recurrent, name="rnn.gru"):
    """h' = (1 - z) * g(x w_h^T + (s * h) r_h^T + b_h) + z * h, gates z, s = f(x w^T + h r^T + b)

    Gates in the order z (update), s (reset), h (hidden). With ``linear_before_reset`` the reset
    gate scales (h r_h^T + recurrence bias) instead of h (Cho et al., 2014; ONNX GRU-22).
    """

    hidden: int = attr(kw_only=True)
    direction: str = attr(default="forward")
    activations: Strs = attr(default=())
    alphas: Floats = attr(default=())
    betas: Floats = attr(default=())
    clip: float = attr(default=0.0)
    linear_before_reset: bool = attr(default=False)

    gates = 3
    usual = ("Sigmoid", "Tanh")

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        operands, attributes = draw_recurrent(cls, draw)
        return cls(*operands, linear_before_reset=draw.chance(), **attributes)


class Lstm(Recurrent, name="rnn.lstm"):
    """c' = f * c + i * g(cell), h' = o * h(c'); i, o, f, cell from x w^T + h r^T + b

    Gates in the order i (input), o (output), f (forget), c (cell); ``p`` [D, 3*H] are peepholes
    from c to i, o, f; ``input_forget`` makes f = 1 - i. A third result y_c is the final c, whose
    initial value is ``c0`` (Hochreiter and Schmidhuber, 1997; ONNX LSTM-22).
    """

    c0: Value | None = operand(default=None)
    p: Value | None = operand(default=None)
    hidden: int = attr(kw_only=True)
    direction: str = attr(default="forward")
    activations: Strs = attr(default=())
    alphas: Floats = attr(default=())
    betas: Floats = attr(default=())
    clip: float = attr(default=0.0)
    input_forget: bool = attr(default=False)

    gates = 4
    usual = ("Sigmoid", "Tanh", "Tanh")

    def infer(self) -> Types:
        state = (self.directions, self.x.type.dims[1], self._hidden)
        self._require(self.c0, state, "c0")
        self._require(self.p, (self.directions, 3 * self._hidden), "p")
        return super().infer()

    @property
    def _states(self) -> int:
        return 2

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        operands, attributes = draw_recurrent(cls, draw)
        x = operands[0]
        assert x is not None
        hidden, count = attributes["hidden"], operands_directions(operands)
        batch = x.type.elements() // x.type.dims[0] // x.type.dims[2]
        c0 = draw.value(x.type.dtype, (count, batch, hidden)) if draw.chance() else None
        p = draw.value(x.type.dtype, (count, 3 * hidden)) if draw.chance() else None
        return cls(*operands, c0, p, input_forget=draw.chance(0.3), **attributes)
