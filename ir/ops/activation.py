"""Activations, and softmax and its kin."""

from __future__ import annotations

from edgec.ir.op import Op, Types, operand
from edgec.ir.sampling import FLOATS, Sampler
from edgec.ir.traits import Elementwise, Idempotent, Monotone
from edgec.ir.value import Value


class Activation(Op):
    """Base of the elementwise activations: the result has the type of x."""

    x: Value = operand()

    def infer(self) -> Types:
        return (self.x.type,)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        return cls(draw.value(draw.choice(FLOATS), draw.shape(draw.integer(0, 4))))


class Relu(Activation, name="act.relu", traits=(Elementwise, Idempotent, Monotone)):
    """y = max(x, 0)"""
