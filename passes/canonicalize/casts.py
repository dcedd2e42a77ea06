"""Casts that change nothing."""

from __future__ import annotations

import ml_dtypes

from edgec.ir import DType, Op, Rewriter, Value
from edgec.ir.ops import Cast
from edgec.passes.canonicalize.common import Drop
from edgec.passes.pattern import CARRY, ELSEWHERE, Match, Pattern, node, var


def _digits(dtype: DType) -> int:
    """Bits of magnitude that every number of the dtype has at its disposal."""
    if dtype.is_float:
        return int(ml_dtypes.finfo(dtype.numpy).nmant) + 1  # type: ignore[no-untyped-call]
    if dtype.family == "bool":
        return 1
    return dtype.bits - dtype.is_signed


def lossless(source: DType, target: DType) -> bool:
    """True when every number of the first dtype is one of the second."""
    if source is target:
        return True
    if target.family == "bool" or (source.is_float and not target.is_float):
        return False
    if source.is_signed and not target.is_signed:
        return False
    if _digits(source) > _digits(target):
        return False
    (low, high), (least, most) = source.limits, target.limits
    return least <= low and high <= most and _finest(target) <= _finest(source)


def _finest(dtype: DType) -> float:
    """The smallest positive number of the dtype."""
    if not dtype.is_float:
        return 1.0
    return float(ml_dtypes.finfo(dtype.numpy).smallest_subnormal)  # type: ignore[no-untyped-call]


def _is_narrow_float(dtype: DType) -> bool:
    """Of less than 16 bits: such types differ in what infinities and NaN become."""
    return dtype.is_float and dtype.bits < 16


class DropCast(Drop):
    """cast(x, to = dtype of x) -> x"""

    match = node(Cast, var("x"), attrs=CARRY) @ "cast"

    def check(self, m: Match) -> str | None:
        return None if m.cast.to is m.x.type.dtype else ELSEWHERE


class MergeCasts(Pattern):
    """cast(cast(x, a), b) -> cast(x, b)  when a holds every number of x"""

    match = (
        node(Cast, node(Cast, var("x"), attrs=CARRY, shared=True) @ "inner", attrs=CARRY) @ "outer"
    )

    def check(self, m: Match) -> str | None:
        source, middle, target = m.x.type.dtype, m.inner.to, m.outer.to
        if any(map(_is_narrow_float, (source, middle, target))):
            return "narrow floats differ in what infinities and NaN become"
        if not lossless(source, middle):
            return f"{middle.name} does not hold every number of {source.name}"
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        made: Op = m.outer.copy(x=m.x)
        return rw.add(made).result


RULES: tuple[type[Pattern], ...] = (DropCast, MergeCasts)
