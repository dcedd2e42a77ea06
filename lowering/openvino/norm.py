"""Normalization."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from edgec.ir import Value
from edgec.ir.ops import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LpNorm, Lrn, RmsNorm
from edgec.lowering.openvino.layouts import as_given, channels_first, per_channel
from edgec.lowering.openvino.table import OPENVINO, Output
from edgec.lowering.openvino.writer import Writer


@OPENVINO.rule(BatchNorm)
def batch_norm(op: BatchNorm, w: Writer) -> Output:
    parameters = [w[value] for value in (op.gamma, op.beta, op.mean, op.var)]
    if op.axis == 1:
        return w.ops.batch_norm_inference(w[op.x], *parameters, op.eps)
    rank = op.x.type.rank
    others = [axis for axis in range(rank) if axis != op.axis]
    there = [others[0], op.axis, *others[1:]]
    back = [there.index(axis) for axis in range(rank)]
    moved = w.ops.transpose(w[op.x], w.ints(there))
    normal = w.ops.batch_norm_inference(moved, *parameters, op.eps)
    return w.ops.transpose(normal, w.ints(back))


@OPENVINO.rule(InstanceNorm)
def instance_norm(op: InstanceNorm, w: Writer) -> Output:
    rank = op.x.type.rank
    y = _standardized(channels_first(op.x, op.layout, w), range(2, rank), op.eps, w)
    y = w.ops.multiply(y, per_channel(op.gamma, rank, w))
    y = w.ops.add(y, per_channel(op.beta, rank, w))
    return as_given(y, rank, op.layout, w)


def _standardized(x: Output, axes: Sequence[int], eps: float, w: Writer) -> Output:
    """(x - mean) / sqrt(var + eps) over those axes."""
    return w.ops.mvn(x, w.ints([*axes]), True, eps, "inside_sqrt")


@OPENVINO.rule(GroupNorm)
def group_norm(op: GroupNorm, w: Writer) -> Output:
    return w.ops.group_normalization(w[op.x], w[op.gamma], w[op.beta], op.groups, op.eps)


@OPENVINO.rule(LayerNorm)
def layer_norm(op: LayerNorm, w: Writer) -> Output:
    axes = range(op.axis, op.x.type.rank)
    y = w.ops.multiply(_standardized(w[op.x], axes, op.eps, w), w[op.gamma])
    return y if op.beta is None else w.ops.add(y, w[op.beta])


@OPENVINO.rule(RmsNorm)
def rms_norm(op: RmsNorm, w: Writer) -> Output:
    axes = w.ints([*range(op.axis, op.x.type.rank)])
    square = w.ops.reduce_mean(w.ops.power(w[op.x], w.like(2, op.x)), axes, True)
    size = w.ops.sqrt(w.ops.add(square, w.like(op.eps, op.x)))
    return w.ops.multiply(w.ops.divide(w[op.x], size), w[op.gamma])


@OPENVINO.rule(LpNorm)
def lp_norm(op: LpNorm, w: Writer) -> Output:
    """Where the norm is 0, x is: any other divisor does."""
    reduce = w.ops.reduce_l1 if op.p == 1 else w.ops.reduce_l2
    size = reduce(w[op.x], w.ints([op.axis]), True)
    return w.ops.divide(w[op.x], _where_zero(size, op.x, w))


def _where_zero(size: Output, x: Value, w: Writer) -> Output:
    return w.ops.select(w.ops.equal(size, w.like(0, x)), w.like(1, x), size)


@OPENVINO.rule(Lrn)
def lrn(op: Lrn, w: Writer) -> Output:
    """Of an even number of channels the operator takes one more before, not after."""
    if op.size % 2:
        return w.ops.lrn(w[op.x], w.ints([1]), op.alpha, op.beta, op.bias, op.size)
    scaled = w.ops.multiply(_sums_around(op, w), w.like(op.alpha / op.size, op.x))
    base = w.ops.add(scaled, w.like(op.bias, op.x))
    return w.ops.divide(w[op.x], w.ops.power(base, w.like(op.beta, op.x)))


def _sums_around(op: Lrn, w: Writer) -> Output:
    """Squares of x, padded with zero channels, added up at ``size`` distances."""
    begin, end = [0] * op.x.type.rank, [0] * op.x.type.rank
    begin[1], end[1] = (op.size - 1) // 2, op.size // 2
    square = w.ops.multiply(w[op.x], w[op.x])
    padded = w.ops.pad(square, w.ints(begin), w.ints(end), "constant", w.like(0, op.x))
    parts = [
        w.ops.slice(padded, *(w.ints([n]) for n in (first, first - op.size + 1 or 2**31 - 1, 1, 1)))
        for first in range(op.size)
    ]
    return reduce(w.ops.add, parts)
