"""Softmax and its kin: activations over one axis."""

from __future__ import annotations

from edgec.ir.op import Op, OpError, Types, attr, operand
from edgec.ir.ops.common import require_family
from edgec.ir.sampling import FLOATS, Sampler
from edgec.ir.value import Value


class SoftmaxLike(Op):
    """Base of the activations over one axis: the result has the type of x."""

    x: Value = operand()
    axis: int = attr()

    def infer(self) -> Types:
        require_family(self.x, ("float",))
        if not 0 <= self.axis < self.x.type.rank:
            raise OpError(f"axis {self.axis} is out of range for {self.x.type}")
        return (self.x.type,)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        rank = draw.integer(1, 4)
        x = draw.value(draw.choice(FLOATS), draw.shape(rank))
        return cls(x, axis=draw.integer(0, rank - 1))


class Softmax(SoftmaxLike, name="act.softmax"):
    """y = e**x / sum of e**x along ``axis``"""


class LogSoftmax(SoftmaxLike, name="act.log_softmax"):
    """y = x - log(sum of e**x along ``axis``)"""


class Hardmax(SoftmaxLike, name="act.hardmax"):
    """y = 1 at the first largest x along ``axis``, else 0"""
