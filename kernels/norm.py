"""Kernels of normalization. All compute in float64 and round once, unless they say otherwise."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array, Ints
from edgec.ir.ops import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LpNorm, Lrn, RmsNorm
from edgec.kernels.precision import rounded, working
from edgec.kernels.table import KERNELS


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
    axis = 1 if op.layout == "nchw" else x.ndim - 1
    spatial = tuple(i for i in range(1, x.ndim) if i != axis)
    along = [1] * x.ndim
    along[axis] = -1
    y = _standardized(x, spatial, op.eps)
    y *= gamma.reshape(along)
    y += beta.reshape(along)
    return rounded(y, op.x.type.dtype.numpy)


@KERNELS.rule(GroupNorm)
def group_norm(op: GroupNorm, x: Array, gamma: Array, beta: Array) -> Array:
    split = (x.shape[0], op.groups, x.shape[1] // op.groups, *x.shape[2:])
    along = (-1, *(1,) * (x.ndim - 2))
    y = _standardized(x.reshape(split), tuple(range(2, len(split))), op.eps).reshape(x.shape)
    y *= gamma.reshape(along)
    y += beta.reshape(along)
    return rounded(y, op.x.type.dtype.numpy)


@KERNELS.rule(LayerNorm)
def layer_norm(op: LayerNorm, x: Array, gamma: Array, beta: Array | None) -> Array:
    y = _standardized(x, tuple(range(op.axis, x.ndim)), op.eps)
    y *= gamma
    if beta is not None:
        y += beta
    return rounded(y, op.x.type.dtype.numpy)


@KERNELS.rule(RmsNorm)
def rms_norm(op: RmsNorm, x: Array, gamma: Array) -> Array:
    wide = x.astype(np.float64)
    square = np.square(wide).mean(axis=tuple(range(op.axis, x.ndim)), keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        wide /= np.sqrt(square + op.eps)
    wide *= gamma
    return rounded(wide, op.x.type.dtype.numpy)


@KERNELS.rule(LpNorm)
def lp_norm(op: LpNorm, x: Array) -> Array:
    wide = x.astype(np.float64)
    if op.p == 1:
        norm = np.abs(wide).sum(axis=op.axis, keepdims=True)
    else:
        norm = np.sqrt(np.square(wide).sum(axis=op.axis, keepdims=True))
    y = np.divide(wide, norm, out=np.zeros_like(wide), where=norm != 0)
    return rounded(y, op.x.type.dtype.numpy)


@KERNELS.rule(Lrn)
def lrn(op: Lrn, x: Array) -> Array:
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


def _standardized(x: Array, axes: Ints, eps: float) -> Array:
    """(x - mean) / sqrt(var + eps) over the axes, in float64."""
    wide = x.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        wide -= wide.mean(axis=axes, keepdims=True)
        wide /= np.sqrt(np.square(wide).mean(axis=axes, keepdims=True) + eps)
    return wide
