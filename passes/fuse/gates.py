"""Residual gates: a factor and an addend of the same value become one factor."""

from __future__ import annotations

import numpy as np

from edgec.ir import Op, Rewriter, Value
from edgec.ir.ops import Add, Clip, HardSigmoid, Mul
from edgec.passes.canonicalize.common import broadcasts_into
from edgec.passes.fuse.carriers import LINEAR, after
from edgec.passes.fuse.channels import Affine, is_plain_float
from edgec.passes.pattern import ANY, ELSEWHERE, Match, Pattern, loose, node, scalar, uniform, var

_X = var("x")


class ResidualGate(Pattern):
    """x * g + x  ->  x * (g + 1)  for a gate g smaller than x, as that of squeeze-and-excite"""

    match = node(Add, node(Mul, _X, ANY @ "gate"), _X) @ "sum"

    def check(self, m: Match) -> str | None:
        if not is_plain_float(m.x, m.gate) or m.sum.result.type != m.x.type:
            return "only floats are gated"
        if not broadcasts_into(m.gate, m.x) or m.gate.type.dims == m.x.type.dims:
            return "the gate is no smaller than x"
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        one = rw.constant(np.ones((), m.x.type.dtype.numpy))
        gate = rw.add(Add(m.gate, one)).result
        return rw.add(Mul(m.x, gate)).result


class ClipFromShiftedGate(Pattern):
    """hard_sigmoid(linear(x, w, b), s, t) + c  ->  clip(linear(x, w * s, b * s + t + c), c, 1 + c);
    c scalar"""

    match = node(
        Add,
        node(HardSigmoid, loose(LINEAR) @ "linear", alpha=ANY, beta=ANY) @ "gate",
        scalar() @ "c",
    )

    def check(self, m: Match) -> str | None:
        shift = uniform(m.c)
        if shift is None or m.root.result.type != m.gate.result.type:
            return ELSEWHERE
        if not is_plain_float(m.gate.x):
            return "only floats are gated"
        gate: HardSigmoid = m.gate
        affine = Affine(np.full(1, gate.alpha), np.full(1, gate.beta + shift))
        made = after(m.linear, affine)
        if isinstance(made, str):
            return made
        m.captures.update(made=made, shift=shift)
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        made: Op = m.made
        linear = rw.add(made).result
        return rw.add(Clip(linear, low=m.shift, high=1.0 + m.shift)).result


RULES: tuple[type[Pattern], ...] = (ResidualGate, ClipFromShiftedGate)
