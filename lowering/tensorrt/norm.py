"""Normalization."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edgec.ir import Array, Constant, Value, dtypes
from edgec.ir.ops import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LpNorm, Lrn, RmsNorm
from edgec.lowering.tensorrt.layers import out
from edgec.lowering.tensorrt.layouts import per_channel
from edgec.lowering.tensorrt.table import TENSORRT, Tensor, limit
from edgec.lowering.tensorrt.writer import Writer


@TENSORRT.rule(BatchNorm)
def batch_norm(op: BatchNorm, w: Writer) -> Tensor:
    """x * s + (beta - mean * s), s = gamma / sqrt(var + eps)"""
    rank = op.x.type.rank
    known = [v.array.astype(np.float64) for v in _parameters(op) if isinstance(v, Constant)]
    if len(known) == len(_parameters(op)):
        gamma, beta, mean, var = known
        scale = gamma / np.sqrt(var + op.eps)
        s, shift = (_shaped(a, op, w) for a in (scale, beta - mean * scale))
    else:
        gamma, beta, mean, var = (per_channel(v, rank, w, op.axis) for v in _parameters(op))
        s = w.binary("DIV", gamma, w.unary("SQRT", w.binary("SUM", var, w.like(op.eps, var))))
        shift = w.binary("SUB", beta, w.binary("PROD", mean, s))
    return w.binary("SUM", w.binary("PROD", w[op.x], s), shift)


def _parameters(op: BatchNorm) -> tuple[Value, ...]:
    return (op.gamma, op.beta, op.mean, op.var)


def _shaped(array: Array, op: BatchNorm, w: Writer) -> Tensor:
    dims = [1] * op.x.type.rank
    dims[op.axis] = -1
    return w.const(array.reshape(dims), op.x.type.dtype)


def _standardized(x: Tensor, axes: Iterable[int], eps: float, w: Writer) -> Tensor:
    """(x - mean) / sqrt(var + eps) over those axes."""
    rank = len(x.shape)
    one, zero = (w.like(np.full((1,) * rank, number), x) for number in (1, 0))
    layer = w.net.add_normalization(x, one, zero, sum(1 << axis for axis in axes))
    out(layer)
    layer.epsilon = eps
    return layer.get_output(0)


@TENSORRT.rule(InstanceNorm)
def instance_norm(op: InstanceNorm, w: Writer) -> Tensor:
    rank = op.x.type.rank
    axis = 1 if op.layout == "nchw" else rank - 1
    spatial = [i for i in range(1, rank) if i != axis]
    y = _standardized(w[op.x], spatial, op.eps, w)
    y = w.binary("PROD", y, per_channel(op.gamma, rank, w, axis))
    return w.binary("SUM", y, per_channel(op.beta, rank, w, axis))


@TENSORRT.rule(GroupNorm)
def group_norm(op: GroupNorm, w: Writer) -> Tensor:
    """Over the last axis of [N, groups, all the rest]."""
    x, rank = w[op.x], op.x.type.rank
    grouped = w.reshape_computed(x, w.listed([w.size(x, 0), op.groups, -1]))
    y = w.reshape_computed(_standardized(grouped, [2], op.eps, w), w.shape(x))
    y = w.binary("PROD", y, per_channel(op.gamma, rank, w))
    return w.binary("SUM", y, per_channel(op.beta, rank, w))


@TENSORRT.rule(LayerNorm)
def layer_norm(op: LayerNorm, w: Writer) -> Tensor:
    y = _standardized(w[op.x], range(op.axis, op.x.type.rank), op.eps, w)
    y = w.binary("PROD", y, w[op.gamma])
    return y if op.beta is None else w.binary("SUM", y, w[op.beta])


@TENSORRT.rule(RmsNorm)
def rms_norm(op: RmsNorm, w: Writer) -> Tensor:
    """Squares of half floats overflow at 256: they are summed as float32."""
    dtype = op.x.type.dtype
    x = w.cast(w[op.x], dtypes.f32)
    axes = range(op.axis, op.x.type.rank)
    mean = w.reduce("AVG", w.binary("PROD", x, x), axes, True)
    size = w.unary("SQRT", w.binary("SUM", mean, w.like(op.eps, mean)))
    return w.binary("PROD", w.cast(w.binary("DIV", x, size), dtype), w[op.gamma])


@TENSORRT.rule(LpNorm)
def lp_norm(op: LpNorm, w: Writer) -> Tensor:
    """Where the norm is 0, x is: any other divisor does."""
    x = w[op.x]
    if op.p == 1:
        size = w.reduce("SUM", w.unary("ABS", x), (op.axis,), True)
    else:
        size = w.unary("SQRT", w.reduce("SUM", w.binary("PROD", x, x), (op.axis,), True))
    zero = w.binary("EQUAL", size, w.like(0, x))
    return w.binary("DIV", x, w.select(zero, w.like(1, x), size))


@limit(Lrn)
def lrn_limit(op: Lrn) -> str | None:
    if op.size % 2 == 0 or op.size > 15:
        return f"local response normalization takes 1, 3, … 15 channels, not {op.size}"
    if op.x.type.rank != 4:
        return f"local response normalization takes images, found {op.x.type}"
    return None


@TENSORRT.rule(Lrn)
def lrn(op: Lrn, w: Writer) -> Tensor:
    return out(w.net.add_lrn(w[op.x], op.size, op.alpha, op.beta, op.bias))
