"""Cheaper ops that round differently: a product for a quotient, a product or a root for a power."""

from __future__ import annotations

import numpy as np

from edgec.ir import Op
from edgec.ir.ops import Div, Mul, Pow, Reciprocal, Sqrt
from edgec.passes.fuse.channels import float64, is_plain_float, rounded, smallest_normal
from edgec.passes.fuse.fusion import Fusion
from edgec.passes.pattern import Match, Pattern, const, node, scalar, var

_X = var("x")
_ONLY_FLOATS = "only floats"


class MulFromDiv(Fusion):
    """x / c  ->  x * (1 / c)  for constants whose reciprocals are normal numbers"""

    match = node(Div, _X, const("c", near=False))

    def fused(self, m: Match) -> Op | str:
        if not is_plain_float(m.x, m.c):
            return "integers have no reciprocal"
        divisor = float64(m.c)
        if not np.all(divisor != 0):
            return "the divisor has zeros"
        reciprocal = rounded(1 / divisor, m.c)
        if reciprocal is None or not np.all(
            np.abs(float64(reciprocal)) >= smallest_normal(m.c.type.dtype)
        ):
            return "a reciprocal leaves the range of its element type"
        return Mul(m.x, reciprocal)


class SquareFromPow(Fusion):
    """x ** 2  ->  x * x"""

    match = node(Pow, _X, scalar(2.0))

    def fused(self, m: Match) -> Op | str:
        return Mul(m.x, m.x) if is_plain_float(m.x) else _ONLY_FLOATS


class SqrtFromPow(Fusion):
    """x ** 0.5  ->  sqrt(x)"""

    match = node(Pow, _X, scalar(0.5))

    def fused(self, m: Match) -> Op | str:
        return Sqrt(m.x) if is_plain_float(m.x) else _ONLY_FLOATS


class ReciprocalFromPow(Fusion):
    """x ** -1  ->  reciprocal(x)"""

    match = node(Pow, _X, scalar(-1.0))

    def fused(self, m: Match) -> Op | str:
        return Reciprocal(m.x) if is_plain_float(m.x) else _ONLY_FLOATS


RULES: tuple[type[Pattern], ...] = (MulFromDiv, SquareFromPow, SqrtFromPow, ReciprocalFromPow)
