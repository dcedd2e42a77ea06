"""Transposes on both sides of elementwise ops, or of every operand of an op."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgec.ir import Constant, Elementwise, Op, Rewriter, Value, op_classes
from edgec.ir.ops import Concat, Transpose
from edgec.passes.pattern import CARRY, ELSEWHERE, Match, Pattern, loose, node, var

_MOST_STEPS = 32  # between two transposes that meet
_ELEMENTWISE = tuple(cls for cls in op_classes().values() if cls.has(Elementwise))


def _back(constant: Constant, perm: Sequence[int], rw: Rewriter) -> Value:
    """The constant that broadcasts to x as this one does to transpose(x, perm)."""
    if constant.type.elements() == 1:
        return constant
    array = constant.array.reshape((1,) * (len(perm) - constant.array.ndim) + constant.array.shape)
    return rw.constant(array.transpose(np.argsort(perm)), constant.hint)


def _stays(value: Value, rank: int) -> bool:
    """True for a constant that can be transposed at compile time."""
    return isinstance(value, Constant) and value.type.quant is None and value.type.rank <= rank


def _moved_operand(op: Op) -> int | None:
    """The one operand of an elementwise op that is no constant."""
    rank = op.result.type.rank
    moving = [index for index, v in enumerate(op.operands) if v is not None and not _stays(v, rank)]
    if len(moving) != 1 or None in op.operands or len(op.results) != 1:
        return None
    value = op.operands[moving[0]]
    same = value is not None and value.type.rank == rank and value.type.quant is None
    return moving[0] if same else None


class CancelAroundElementwise(Pattern):
    """transpose(f(transpose(x, p)), q) -> transpose(f(x), [p[q[0]], p[q[1]], …])  for elementwise f
    with constants"""

    match = node(Transpose, var("y"), attrs=CARRY) @ "lower"

    def check(self, m: Match) -> str | None:
        value: Value = m.y
        steps: list[tuple[Op, int]] = []
        while len(steps) < _MOST_STEPS:
            op = value.producer
            if op is None or value.user_count != 1 or op.graph is not m.lower.graph:
                return ELSEWHERE
            if isinstance(op, Transpose):
                break
            index = _moved_operand(op) if op.has(Elementwise) else None
            if index is None:
                return ELSEWHERE
            steps.append((op, index))
            following = op.operands[index]
            assert following is not None
            value = following
        if not steps or not isinstance(value.producer, Transpose):
            return ELSEWHERE
        m.captures.update(steps=steps[::-1], upper=value.producer)
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        value, upper = m.upper.x, m.upper.perm
        m.interior.extend([m.upper, *(op for op, _ in m.steps)][::-1])
        for op, index in m.steps:
            operands = [
                value if i == index else _back(v, upper, rw) for i, v in enumerate(op.operands)
            ]
            value = rw.add(op.copy(operands=operands)).result
        perm = tuple(upper[axis] for axis in m.lower.perm)
        if perm == tuple(range(len(perm))):
            return value  # type: ignore[no-any-return]
        return rw.add(Transpose(value, perm=perm)).result


class TransposeAfterElementwise(Pattern):
    """transpose(x, p) op transpose(y, p) -> transpose(x op y, p)  for every elementwise op"""

    match = loose(_ELEMENTWISE) @ "op"

    def check(self, m: Match) -> str | None:
        op = m.op
        moving = [v for v in op.operands if v is not None and not _stays(v, op.result.type.rank)]
        if len(moving) < 2 or len(op.results) != 1 or None in op.operands:
            return ELSEWHERE
        return _why_not_after(moving, op)

    def build(self, m: Match, rw: Rewriter) -> Value:
        op, rank = m.op, m.op.result.type.rank
        first = next(v for v in op.operands if not _stays(v, rank))
        perm = first.producer.perm
        operands = [_back(v, perm, rw) if _stays(v, rank) else v.producer.x for v in op.operands]
        made: Op = op.copy(operands=operands)
        return rw.add(Transpose(rw.add(made).result, perm=perm)).result


def _why_not_after(values: Sequence[Value], reader: Op) -> str | None:
    """Why one transpose cannot follow ``reader`` in place of those of these operands."""
    ops = [value.producer for value in values]
    if not all(isinstance(op, Transpose) for op in ops):
        return ELSEWHERE
    perms = {op.perm for op in ops if isinstance(op, Transpose)}
    if len(perms) > 1 or any(v.type.quant is not None for v in values):
        return "the operands are transposed differently"
    if len(set(values)) < 2:
        return ELSEWHERE
    if any(set(v.users) != {reader} for v in values):
        return "a transposed operand has other readers"
    return None


class TransposeAfterConcat(Pattern):
    """concat(transpose(x, p), transpose(y, p), axis) -> transpose(concat(x, y, p[axis]), p)"""

    match = loose(Concat) @ "concat"

    def check(self, m: Match) -> str | None:
        return _why_not_after(m.concat.xs, m.concat) if len(m.concat.xs) > 1 else ELSEWHERE

    def build(self, m: Match, rw: Rewriter) -> Value:
        sources = tuple(x.producer.x for x in m.concat.xs)
        perm = m.concat.xs[0].producer.perm
        joined = rw.add(Concat(sources, axis=perm[m.concat.axis])).result
        return rw.add(Transpose(joined, perm=perm)).result


RULES: tuple[type[Pattern], ...] = (
    CancelAroundElementwise,
    TransposeAfterElementwise,
    TransposeAfterConcat,
)
