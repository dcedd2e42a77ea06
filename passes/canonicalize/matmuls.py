"""Transposed operands of matrix products."""

from __future__ import annotations

import numpy as np

from edgec.ir import Constant, Op, Rewriter, Value
from edgec.ir.ops import MatMul, Transpose
from edgec.passes.pattern import ELSEWHERE, Match, Pattern, loose

_SIDES = (("a", "transpose_a"), ("b", "transpose_b"))


def _swaps_last_two(value: Value) -> bool:
    op = value.producer
    if not isinstance(op, Transpose) or len(op.perm) < 2:
        return False
    rank = len(op.perm)
    return op.perm == (*range(rank - 2), rank - 1, rank - 2)


class TransposeIntoMatMul(Pattern):
    """matmul(transpose(a), b) -> matmul(a, b, transpose_a)  when only the last two axes change"""

    match = loose(MatMul) @ "matmul"

    def check(self, m: Match) -> str | None:
        transposed = [side for side, _ in _SIDES if _transpose_of(m, side)]
        if not transposed:
            return ELSEWHERE
        if not any(_swaps_last_two(getattr(m.matmul, side)) for side in transposed):
            return "the transpose moves other axes than the last two"
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        changes: dict[str, object] = {}
        for side, flag in _SIDES:
            transpose = _transpose_of(m, side)
            if transpose is not None and _swaps_last_two(transpose.result):
                changes |= {side: transpose.x, flag: not getattr(m.matmul, flag)}
        made: Op = m.matmul.copy(**changes)
        return rw.add(made).result


def _transpose_of(m: Match, side: str) -> Transpose | None:
    producer = getattr(m.matmul, side).producer
    return producer if isinstance(producer, Transpose) else None


class TransposeConstant(Pattern):
    """matmul(a, c, transpose_b) -> matmul(a, transposed c)  for a constant c; likewise a"""

    match = loose(MatMul) @ "matmul"

    def check(self, m: Match) -> str | None:
        return None if any(_is_transposed_constant(m, *side) for side in _SIDES) else ELSEWHERE

    def build(self, m: Match, rw: Rewriter) -> Value:
        changes: dict[str, object] = {}
        for side, flag in _SIDES:
            if _is_transposed_constant(m, side, flag):
                given = getattr(m.matmul, side)
                turned = np.swapaxes(given.array, -1, -2)  # a view: the data stays where it is
                changes |= {side: rw.constant(turned, given.hint), flag: False}
        made: Op = m.matmul.copy(**changes)
        return rw.add(made).result


def _is_transposed_constant(m: Match, side: str, flag: str) -> bool:
    given = getattr(m.matmul, side)
    return getattr(m.matmul, flag) and isinstance(given, Constant) and given.type.quant is None


RULES: tuple[type[Pattern], ...] = (TransposeIntoMatMul, TransposeConstant)
