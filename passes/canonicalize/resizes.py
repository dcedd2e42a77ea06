"""Resizes that keep every size, or state at run time a scale that is known before."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from edgec.ir import Dim, Op, Rewriter, Value, contents
from edgec.ir.ops import Resize
from edgec.passes.canonicalize.common import is_all
from edgec.passes.pattern import ELSEWHERE, Match, Pattern, loose


class DropResize(Pattern):
    """resize(x, sizes = dims of x), resize(x, scales = 1) -> x"""

    match = loose(Resize) @ "resize"

    def check(self, m: Match) -> str | None:
        resize = m.resize
        if resize.result.type.dims != resize.x.type.dims:
            return ELSEWHERE
        if resize.scales is not None and not is_all(resize.scales, 1):
            return "a scale close to 1 moves samples although the sizes stay"
        if resize.coordinates == "tf_crop_and_resize":
            return "resize crops"
        if resize.keep_aspect != "stretch":
            return "the scale follows from one of the sizes"
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        kept: Value = m.resize.x
        return kept


class ResizeByKnownScales(Pattern):
    """resize(x, sizes = k * dims of x) -> resize(x, scales = k)  for sizes known as expressions"""

    match = loose(Resize) @ "resize"

    def check(self, m: Match) -> str | None:
        resize = m.resize
        if resize.sizes is None or resize.result.type.is_static:
            return ELSEWHERE
        if resize.keep_aspect != "stretch" or contents(resize.sizes) is None:
            return "the sizes are computed at run time"
        return None if self._scales(m) else "the sizes are no multiples of those of x"

    def build(self, m: Match, rw: Rewriter) -> Value:
        scales = rw.constant(np.array(self._scales(m), dtype=np.float32))
        made: Op = m.resize.copy(sizes=None, scales=scales)
        return rw.add(made).result

    @staticmethod
    def _scales(m: Match) -> list[float] | None:
        """Scale of each resized axis, exact in f32; None when one is no such number."""
        found: list[float] = []
        for axis in m.resize.resized_axes:
            scale = _ratio(m.resize.result.type.dims[axis], m.resize.x.type.dims[axis])
            if scale is None:
                return None
            found.append(scale)
        return found


def _ratio(large: Dim, small: Dim) -> float | None:
    """large / small when that is the same whole number, whatever the symbols are."""
    if isinstance(large, int) and isinstance(small, int):
        ratio = Fraction(large, small) if small else Fraction(0)
        return float(ratio) if ratio.denominator == 1 and ratio > 0 else None
    quotient = large // small if small != 0 else None
    if isinstance(quotient, int) and quotient > 0 and small * quotient == large:
        return float(quotient)
    return None


RULES: tuple[type[Pattern], ...] = (DropResize, ResizeByKnownScales)
