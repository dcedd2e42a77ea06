"""Bounds: relu, clip, minimum and maximum with a number become one op."""

from __future__ import annotations

import math
from math import inf

from edgec.ir import Op, Rewriter, Value
from edgec.ir.ops import Clip, Maximum, Minimum, Relu
from edgec.passes.canonicalize.common import Drop, broadcasts_into
from edgec.passes.pattern import CARRY, ELSEWHERE, Match, Pattern, const, node, uniform, var

_BOUNDING = (Relu, Clip)


def _bounds(op: Op) -> tuple[float, float]:
    return (op.low, op.high) if isinstance(op, Clip) else (0.0, inf)


def _clipped(number: float, low: float, high: float) -> float:
    return min(max(number, low), high)


class ClipFromMinimum(Pattern):
    """min(x, c) -> clip(x, high=c);  max(x, c) -> clip(x, low=c)  for a number c"""

    match = node((Minimum, Maximum), var("x"), const("y", near=False)) @ "op"

    def check(self, m: Match) -> str | None:
        number = uniform(m.y)
        if number is None or math.isnan(number):
            return ELSEWHERE
        if not m.x.type.dtype.is_float:
            return "integers stay as they are: they may be a shape followed at compile time"
        if not broadcasts_into(m.y, m.x):
            return "the bound broadcasts the other operand to more dims"
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        number = uniform(m.y)
        assert number is not None
        is_high = isinstance(m.op, Minimum)
        clip = Clip(m.x, high=number) if is_high else Clip(m.x, low=number)
        return rw.add(clip).result


class MergeClips(Pattern):
    """clip(clip(x, a, b), c, d) -> clip(x, clip(a, c, d), clip(b, c, d));  relu = clip(0, inf)"""

    match = (
        node(_BOUNDING, node(_BOUNDING, var("x"), attrs=CARRY, shared=True) @ "inner", attrs=CARRY)
        @ "outer"
    )

    def build(self, m: Match, rw: Rewriter) -> Value:
        low, high = _bounds(m.inner)
        outer = _bounds(m.outer)
        merged = (_clipped(min(low, high), *outer), _clipped(high, *outer))
        if merged == (low, high):
            kept: Value = m.inner.result
            return kept
        if merged == outer and isinstance(m.outer, Relu):
            made: Op = m.outer.copy(x=m.x)
            return rw.add(made).result
        return rw.add(Clip(m.x, low=merged[0], high=merged[1])).result


class ReluFromClip(Pattern):
    """clip(x, 0, inf) -> relu(x)"""

    match = node(Clip, var("x"), low=0.0) @ "clip"

    def check(self, m: Match) -> str | None:
        return None if m.x.type.dtype.is_float else "relu is kept for floats"

    def build(self, m: Match, rw: Rewriter) -> Value:
        return rw.add(Relu(m.x)).result


class DropUnboundedClip(Drop):
    """clip(x, -inf, inf) -> x"""

    match = node(Clip, var("x"), attrs=CARRY) @ "clip"

    def check(self, m: Match) -> str | None:
        dtype = m.x.type.dtype
        low, high = (-inf, inf) if dtype.is_float else dtype.limits
        return None if m.clip.low <= low and m.clip.high >= high else ELSEWHERE


RULES: tuple[type[Pattern], ...] = (DropUnboundedClip, ReluFromClip, MergeClips, ClipFromMinimum)
