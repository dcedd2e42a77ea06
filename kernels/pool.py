"""Kernels of pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgec.ir import Array, dtypes
from edgec.ir.ops import AvgPool, LpPool, MaxPool, MaxRoiPool, MaxUnpool, RoiAlign
from edgec.ir.ops.pool import Pool
from edgec.ir.ops.windows import Window
from edgec.kernels.layouts import channels_first, channels_placed, moved_first
from edgec.kernels.loops.scratch import Scratch
from edgec.kernels.precision import rounded, widened
from edgec.kernels.table import KERNELS

if TYPE_CHECKING:
    from edgec.kernels.loops.pool import Pooling

_SCRATCH = Scratch()


@KERNELS.rule(MaxPool)
def max_pool(op: MaxPool, x: Array) -> Array | tuple[Array, Array]:
    """Exact."""
    from edgec.kernels.loops import pool as loops

    source = channels_first(x, op.layout)
    y = np.empty(_pooled_shape(op, source.shape), source.dtype)
    pooling = _pooling(op, source.shape[2:])
    if not op.indices:
        loops.max_pool(source, pooling, y, _SCRATCH)
        return channels_placed(y, op.layout, op.x.type.dtype)
    indices = np.empty(y.shape, np.int64)
    loops.max_pool(source, pooling, y, _SCRATCH, indices, op.storage_order)
    placed = channels_placed(indices, op.layout, dtypes.i64)
    return channels_placed(y, op.layout, op.x.type.dtype), placed


@KERNELS.rule(AvgPool)
def avg_pool(op: AvgPool, x: Array) -> Array:
    """Accumulates in float32 (float64 for float64): at most K·u·Σ|x|/n away for K samples."""
    from edgec.kernels.loops import pool as loops

    source = channels_first(x, op.layout)
    y = np.empty(_pooled_shape(op, source.shape), source.dtype)
    pooling = _pooling(op, source.shape[2:])
    loops.average_pool(source, pooling, op.count_include_pad, y, _SCRATCH)
    return channels_placed(y, op.layout, op.x.type.dtype)


@KERNELS.rule(LpPool)
def lp_pool(op: LpPool, x: Array) -> Array:
    """Accumulates in float64: rounded once, up to the powers' own error."""
    from edgec.kernels.loops import pool as loops

    source = np.ascontiguousarray(moved_first(x, op.layout), dtype=np.float64)
    y = np.empty(_pooled_shape(op, source.shape))
    with np.errstate(over="ignore"):
        loops.lp_pool(source, _pooling(op, source.shape[2:]), op.p, y, _SCRATCH)
    return channels_placed(y, op.layout, op.x.type.dtype)


@KERNELS.rule(MaxUnpool)
def max_unpool(op: MaxUnpool, x: Array, indices: Array, shape: Array | None) -> Array:
    from edgec.kernels.loops import pool as loops

    window = Window(op.kernel, op.stride, op.pads)
    begin, end = window.padding(x.shape[2:])
    unpooled = [
        window.strides[i] * (size - 1) + op.kernel[i] - begin[i] - end[i]
        for i, size in enumerate(x.shape[2:])
    ]
    dims = (*x.shape[:2], *unpooled) if shape is None else tuple(int(dim) for dim in shape)
    y = np.empty(dims, x.dtype)
    loops.max_unpool(x, indices, unpooled, y)
    return y


@KERNELS.rule(MaxRoiPool)
def max_roi_pool(op: MaxRoiPool, x: Array, rois: Array) -> Array:
    """Exact."""
    from edgec.kernels.loops import roi as loops

    y = np.empty((rois.shape[0], x.shape[1], *op.size), x.dtype)
    loops.max_roi_pool(x, rois, op.scale, y)
    return y


@KERNELS.rule(RoiAlign)
def roi_align(op: RoiAlign, x: Array, rois: Array, batch_indices: Array) -> Array:
    """Samples in float64, rounded once."""
    from edgec.kernels.loops import roi as loops

    align = loops.RoiAlign(op.ratio, op.scale, op.half_pixel, op.mode == "max")
    source = np.ascontiguousarray(widened(x))
    y = np.empty((rois.shape[0], x.shape[1], *op.size), source.dtype)
    loops.roi_align(source, rois, batch_indices, align, y)
    return rounded(y, op.x.type.dtype.numpy)


def _pooled_shape(op: Pool, shape: tuple[int, ...]) -> tuple[int, ...]:
    counts = op.window.counts(shape[2:])
    return (*shape[:2], *(count for count in counts if isinstance(count, int)))


def _pooling(op: Pool, sizes: tuple[int, ...]) -> Pooling:
    from edgec.kernels.loops.pool import Pooling

    window = op.window
    begin, end = window.padding(sizes)
    return Pooling(op.kernel, window.strides, begin, end, window.dilations)
