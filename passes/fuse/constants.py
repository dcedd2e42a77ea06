"""Chains of elementwise ops with constants: two constants become one."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array, Constant, Op
from edgec.ir.ops import Add, Div, Mul, Reciprocal, Sub
from edgec.passes.fuse.channels import Vector, float64, is_plain_float, rounded, smallest_normal
from edgec.passes.fuse.fusion import Fusion
from edgec.passes.pattern import ANY, Match, NodePattern, Pattern, const, either, node, scalar


class _Merged(Fusion):
    """Base: ``op(x, merge(c, d))`` stands for the two ops."""

    op: type[Op]

    @staticmethod
    def merge(c: Array, d: Array) -> Array:
        raise NotImplementedError

    def fused(self, m: Match) -> Op | str:
        c, d = m.c, m.d
        if not is_plain_float(c, d):
            return "only floats are merged"
        c64, d64 = float64(c), float64(d)
        if not _fits(c64, d64):
            return "the two constants vary along different axes"
        with np.errstate(all="ignore"):
            data = self.merge(c64, d64)
        merged = rounded(data, d)
        if merged is None or not self.is_safe(c64, d64, merged):
            return "the two constants cancel, or leave the range of their element type"
        return self.op(m.x, merged)

    @staticmethod
    def is_safe(c: Array, d: Array, merged: Constant) -> bool:
        raise NotImplementedError


class _MergedFactors(_Merged):
    @staticmethod
    def is_safe(c: Array, d: Array, merged: Constant) -> bool:
        """No normal factors have a product that underflows."""
        smallest = smallest_normal(merged.type.dtype)
        return bool(np.all((np.abs(float64(merged)) >= smallest) | (c == 0) | (d == 0)))


class _MergedAddends(_Merged):
    @staticmethod
    def is_safe(c: Array, d: Array, merged: Constant) -> bool:
        """What a sum rounds away, as in (x + 2**23) - 2**23, may be the point of it."""
        return bool(np.all(2 * np.abs(float64(merged)) >= np.maximum(np.abs(c), np.abs(d))))


def _chain(outer: type[Op], inner: type[Op]) -> NodePattern:
    return node(outer, node(inner, ANY @ "x", const("c", near=False)), const("d", near=False))


def _fits(c: Vector, d: Vector) -> bool:
    """True when the merged constant is no larger than one of the two."""
    try:
        dims = np.broadcast_shapes(c.shape, d.shape)
    except ValueError:
        return False
    return int(np.prod(dims)) <= max(c.size, d.size)


class MergeMulMul(_MergedFactors):
    """(x * c) * d  ->  x * (c * d)"""

    match = _chain(Mul, Mul)
    op = Mul

    @staticmethod
    def merge(c: Array, d: Array) -> Array:
        return c * d


class MergeDivMul(_MergedFactors):
    """(x / c) * d  ->  x * (d / c)"""

    match = _chain(Mul, Div)
    op = Mul

    @staticmethod
    def merge(c: Array, d: Array) -> Array:
        return d / c


class MergeMulDiv(_MergedFactors):
    """(x * c) / d  ->  x * (c / d)"""

    match = _chain(Div, Mul)
    op = Mul

    @staticmethod
    def merge(c: Array, d: Array) -> Array:
        return c / d


class MergeDivDiv(_MergedFactors):
    """(x / c) / d  ->  x / (c * d)"""

    match = _chain(Div, Div)
    op = Div

    @staticmethod
    def merge(c: Array, d: Array) -> Array:
        return c * d


class MergeAddAdd(_MergedAddends):
    """(x + c) + d  ->  x + (c + d)"""

    match = _chain(Add, Add)
    op = Add

    @staticmethod
    def merge(c: Array, d: Array) -> Array:
        return c + d


class MergeSubAdd(_MergedAddends):
    """(x - c) + d  ->  x + (d - c)"""

    match = _chain(Add, Sub)
    op = Add

    @staticmethod
    def merge(c: Array, d: Array) -> Array:
        return d - c


class MergeAddSub(_MergedAddends):
    """(x + c) - d  ->  x + (c - d)"""

    match = _chain(Sub, Add)
    op = Add

    @staticmethod
    def merge(c: Array, d: Array) -> Array:
        return c - d


class MergeSubSub(_MergedAddends):
    """(x - c) - d  ->  x - (c + d)"""

    match = _chain(Sub, Sub)
    op = Sub

    @staticmethod
    def merge(c: Array, d: Array) -> Array:
        return c + d


class QuotientFromReciprocal(Fusion):
    """x * (1 / y), x * reciprocal(y)  ->  x / y"""

    match = node(
        Mul, either(node(Reciprocal, ANY @ "y"), node(Div, scalar(1.0), ANY @ "y")), ANY @ "x"
    )

    def fused(self, m: Match) -> Op | str:
        if isinstance(m.x, Constant) or not is_plain_float(m.x, m.y):
            return "only floats that are computed are divided"
        return Div(m.x, m.y)


RULES: tuple[type[Pattern], ...] = (
    QuotientFromReciprocal,
    MergeMulMul,
    MergeDivMul,
    MergeMulDiv,
    MergeDivDiv,
    MergeAddAdd,
    MergeSubAdd,
    MergeAddSub,
    MergeSubSub,
)
