"""Kernels of normalization.

Statistics are float64. Unless a kernel says otherwise, what it normalizes is rounded once before
gamma and beta are applied in float32 (float64 for float64): at most 3·u·(|y - beta| + |beta|) away.
"""

from __future__ import annotations

import math

import numpy as np

from edgec.ir import Array
from edgec.ir.ops import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LpNorm, Lrn, RmsNorm
from edgec.kernels.layouts import channels_placed, moved_first
from edgec.kernels.precision import rounded, widened, working
from edgec.kernels.table import KERNELS

_BLOCK = 1 << 15  # elements normalized at a time: their float64 copies stay in the cache


@KERNELS.rule(BatchNorm)
def batch_norm(
    op: BatchNorm, x: Array, gamma: Array, beta: Array, mean: Array, var: Array,
    *, out: Array | None,
) -> Array:  # fmt: skip
    """In float32 (float64 for float64), the factor found in float64: at most
    3·u·(|factor·(x - mean)| + |beta|) away."""
    dtype = working(op.x.type.dtype.numpy)
    along = [1] * x.ndim
    along[op.axis] = -1
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        factor = gamma.astype(np.float64) / np.sqrt(var.astype(np.float64) + op.eps)
        target = out if out is not None and out.dtype == dtype else np.empty(x.shape, dtype)
        np.subtract(x, mean.astype(dtype).reshape(along), out=target, dtype=dtype)
        np.multiply(target, factor.astype(dtype).reshape(along), out=target)
        np.add(target, beta.astype(dtype).reshape(along), out=target)
    return target if target is out else rounded(target, op.x.type.dtype.numpy, out)


@KERNELS.rule(InstanceNorm)
def instance_norm(op: InstanceNorm, x: Array, gamma: Array, beta: Array) -> Array:
    source = moved_first(x, op.layout)
    y = _standardized(source, math.prod(source.shape[2:]), op.eps)
    _scale_channels(y, gamma, beta)
    return channels_placed(y, op.layout, op.x.type.dtype)


@KERNELS.rule(GroupNorm)
def group_norm(op: GroupNorm, x: Array, gamma: Array, beta: Array) -> Array:
    y = _standardized(x, math.prod(x.shape[1:]) // op.groups, op.eps)
    _scale_channels(y, gamma, beta)
    return rounded(y, op.x.type.dtype.numpy)


@KERNELS.rule(LayerNorm)
def layer_norm(op: LayerNorm, x: Array, gamma: Array, beta: Array | None) -> Array:
    y = _standardized(x, math.prod(x.shape[op.axis :]), op.eps)
    y *= widened(gamma)
    if beta is not None:
        y += widened(beta)
    return rounded(y, op.x.type.dtype.numpy)


@KERNELS.rule(RmsNorm)
def rms_norm(op: RmsNorm, x: Array, gamma: Array) -> Array:
    y = _standardized(x, math.prod(x.shape[op.axis :]), op.eps, centered=False)
    y *= widened(gamma)
    return rounded(y, op.x.type.dtype.numpy)


def _standardized(x: Array, per_row: int, eps: float, *, centered: bool = True) -> Array:
    """(x - mean) / sqrt(var + eps) of each ``per_row`` elements in a row, computed in float64 and
    rounded once; without ``centered``, x / sqrt(mean of x^2 + eps)."""
    rows = x.reshape(-1, per_row) if x.size else x.reshape(0, 1)
    y = np.empty(rows.shape, working(x.dtype))
    step = max(1, _BLOCK // max(per_row, 1))
    with np.errstate(all="ignore"):
        for first in range(0, len(rows), step):
            block = rows[first : first + step].astype(np.float64)
            if centered:
                block -= block.mean(axis=1, keepdims=True)
            square = np.einsum("rk,rk->r", block, block)[:, np.newaxis] / per_row
            block /= np.sqrt(square + eps)
            y[first : first + step] = block
    return y.reshape(x.shape)


def _scale_channels(y: Array, gamma: Array, beta: Array) -> None:
    along = (-1, *(1,) * (y.ndim - 2))
    y *= widened(gamma).reshape(along)
    y += widened(beta).reshape(along)


@KERNELS.rule(LpNorm)
def lp_norm(op: LpNorm, x: Array) -> Array:
    """In float64, rounded once."""
    wide = x.astype(np.float64)
    if op.p == 1:
        norm = np.abs(wide).sum(axis=op.axis, keepdims=True)
    else:
        norm = np.sqrt(np.square(wide).sum(axis=op.axis, keepdims=True))
    y = np.divide(wide, norm, out=np.zeros_like(wide), where=norm != 0)
    return rounded(y, op.x.type.dtype.numpy)


@KERNELS.rule(Lrn)
def lrn(op: Lrn, x: Array) -> Array:
    """In float64, rounded once."""
    wide = x.astype(np.float64)
    squares, sums = np.square(wide), np.zeros_like(wide)
    channels = x.shape[1]
    before = (op.size - 1) // 2
    for shift in range(-before, op.size - before):
        first, last = max(0, -shift), min(channels, channels - shift)
        if first < last:
            sums[:, first:last] += squares[:, first + shift : last + shift]
    with np.errstate(invalid="ignore", divide="ignore"):
        wide /= (op.bias + op.alpha / op.size * sums) ** op.beta
    return rounded(wide, op.x.type.dtype.numpy)
