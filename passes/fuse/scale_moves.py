"""Scalar factors, moved to where a constant can take them: attention's 1 / sqrt(d) ends in the
weights of the query."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from edgec.ir import Constant, Op, Rewriter, Value
from edgec.ir.ops import Conv, ConvTranspose, Div, MatMul, Mul, Reshape, Split, Transpose
from edgec.passes.canonicalize.transposes import common_factors
from edgec.passes.fuse.carriers import LINEAR, after, result_axis
from edgec.passes.fuse.channels import Affine, Vector, is_plain_float
from edgec.passes.pattern import ANY, ELSEWHERE, Match, Pattern, node, scalar, uniform

Carrier: TypeAlias = Conv | ConvTranspose | MatMul
_MOST_MOVES = 8  # between the linear op and the factor
_MOVES: tuple[type[Op], ...] = (Reshape, Transpose, Split)


class ScaleBeforeMoves(Pattern):
    """part(transpose(reshape(linear(x, w, b)))) * c  ->  the same of linear(x, w * s, b * s);  s is
    c along the output channels that this part holds, else 1;  c scalar, also / c"""

    match = node((Mul, Div), ANY @ "moved", scalar() @ "c") @ "op"

    def check(self, m: Match) -> str | None:
        if not isinstance(m.c, Constant) or m.c.type.elements() != 1 or not is_plain_float(m.c):
            return ELSEWHERE
        moves = _moves_to(m.moved)
        if not moves:
            return ELSEWHERE
        if m.op.result.type != m.moved.type:
            return "the constant enlarges x"
        carrier = moves[0].operands[0]
        assert carrier is not None
        linear = carrier.producer
        if not isinstance(linear, LINEAR):
            return ELSEWHERE
        return self._scaled(m, linear, moves)

    @staticmethod
    def _scaled(m: Match, linear: Op, moves: list[Op]) -> str | None:
        assert isinstance(linear, (Conv, ConvTranspose, MatMul))
        factor = uniform(m.c)
        if not factor:
            return "the factor is 0"
        scale = _scale_of_part(
            linear, moves, m.moved, factor if isinstance(m.op, Mul) else 1 / factor
        )
        if scale is None:
            return "the part holds no run of output channels"
        made = after(linear, Affine(scale=scale))
        if isinstance(made, str):
            return made
        m.captures.update(linear=linear, made=made, moves=moves)
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        linear, made, moved = m.linear, m.made, m.moved
        inside = rw.at(linear)
        inside.locate(m.op.loc)
        rw.replace(linear, *inside.add(made).results)
        rw.rename(made.result, None)
        for move in m.moves[1:]:
            rw.rename(move.operands[0], None)
        rw.rename(moved, m.op.result)
        found: Value = moved
        return found


def _moves_to(value: Value) -> list[Op]:
    """The ops that only move elements, between a linear op and a value that one op reads; empty
    when something else stands there, or reads what is moved."""
    found: list[Op] = []
    while len(found) < _MOST_MOVES:
        op = value.producer
        if op is None or value.user_count != 1:
            return []
        if isinstance(op, LINEAR):
            return found[::-1]
        if not isinstance(op, _MOVES) or (isinstance(op, Split) and _has_split(found)):
            return []
        source = op.operands[0]
        assert source is not None
        found.append(op)
        value = source
    return []


def _between(moves: list[Op], last: Value) -> Iterator[Value]:
    """What each op hands to the next one, up to the last value."""
    for reader in moves[1:]:
        handed = reader.operands[0]
        assert handed is not None
        yield handed
    yield last


def _has_split(ops: list[Op]) -> bool:
    return any(isinstance(op, Split) for op in ops)


def _scale_of_part(linear: Carrier, moves: list[Op], part: Value, factor: float) -> Vector | None:
    """``factor`` for each output channel of which the part holds elements, 1 for the others."""
    axis = result_axis(linear)
    channels = linear.result.type.dims[axis]
    if not isinstance(channels, int):
        return None
    if not _has_split(moves):
        return np.full(1, factor)
    bounds = _bounds(moves, [axis], part)
    if bounds is None:
        return None
    begin, end, size = bounds
    if not size or channels % size:
        return None
    each = channels // size
    scale = np.ones(channels)
    scale[begin * each : end * each] = factor
    return scale


def _bounds(moves: list[Op], axes: list[int] | None, part: Value) -> tuple[int, int, int] | None:
    """Begin, end and size of the part along the outermost of the axes that hold the channels."""
    for op in moves:
        if not axes:
            return None
        if isinstance(op, Reshape):
            axes = _reshaped(op, axes)
        elif isinstance(op, Transpose):
            axes = [op.perm.index(axis) for axis in axes]
        elif isinstance(op, Split):
            return _part_of(op, axes[0], part, moves)
    return None


def _reshaped(op: Reshape, axes: list[int]) -> list[int] | None:
    """The axes of the result that hold these axes of x, and nothing else."""
    found = common_factors(op.x.type.dims, op.result.type.dims)
    if found is None:
        return None
    _, before, after_ = found
    wanted = [factor for axis in axes for factor in before[axis]]
    held = [axis for axis, group in enumerate(after_) if set(group) & set(wanted)]
    factors = [factor for axis in held for factor in after_[axis]]
    return held if factors == wanted else None


def _part_of(split: Split, axis: int, part: Value, moves: list[Op]) -> tuple[int, int, int] | None:
    if split.axis != axis:
        return None
    wanted = list(_between(moves, part))[moves.index(split)]
    begin = 0
    for result in split.results:
        size = result.type.dims[axis]
        if not isinstance(size, int):
            return None
        if result is wanted:
            total = split.x.type.dims[axis]
            return (begin, begin + size, total) if isinstance(total, int) else None
        begin += size
    return None


class ScaleBeforeMatMul(Pattern):
    """matmul(a, b) * c  ->  matmul(a * c, b)  for products of tensors with a scalar c, where a has
    fewer elements than the result"""

    match = (
        node(
            (Mul, Div),
            node(MatMul, ANY @ "a", ANY, transpose_a=ANY, transpose_b=ANY) @ "matmul",
            scalar() @ "c",
        )
        @ "op"
    )

    def check(self, m: Match) -> str | None:
        result = m.matmul.result.type
        if result.rank <= 2 or not is_plain_float(m.a, m.c) or m.c.type.elements() != 1:
            return "only a product of tensors of floats passes its factor on"
        if not (m.a.type.is_static and result.is_static):
            return "the sizes are not known"
        if m.a.type.elements() >= result.elements() or m.op.result.type != result:
            return "the operand is not smaller than the product"
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        scaled = rw.add(type(m.op)(m.a, m.c)).result
        made: Op = m.matmul.copy(a=scaled)
        return rw.add(made).result


RULES: tuple[type[Pattern], ...] = (ScaleBeforeMoves, ScaleBeforeMatMul)
