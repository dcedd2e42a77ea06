"""Kernels of resizing and sampling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgec.ir import Array
from edgec.ir.ops import GridSample, Resize
from edgec.ir.ops.resize import bounded_sizes, scaled_dim
from edgec.kernels.precision import rounded, widened
from edgec.kernels.table import KERNELS

if TYPE_CHECKING:
    from edgec.kernels.loops.resize_axis import Axis


@KERNELS.rule(Resize)
def resize(
    op: Resize, x: Array, scales: Array | None, sizes: Array | None, roi: Array | None
) -> Array:
    """Nearest is exact. Linear and cubic compute in float32 (float64 for float64): each axis adds
    at most taps·u·Σ|weight·x|."""
    from edgec.kernels.loops import resize as loops
    from edgec.kernels.loops.resize_axis import Sampling

    axes = _axes(op, x.shape, scales, sizes, roi)
    sampling = Sampling(
        op.mode, op.coordinates, op.nearest, op.cubic_a, op.exclude_outside, op.antialias
    )
    source = np.ascontiguousarray(x if op.mode == "nearest" else widened(x))
    y = np.empty(tuple(axis.size_out for axis in axes), source.dtype)
    loops.resize(source, axes, sampling, op.extrapolation, y)
    return rounded(y, op.x.type.dtype.numpy)


def _axes(
    op: Resize,
    shape: tuple[int, ...],
    scales: Array | None,
    sizes: Array | None,
    roi: Array | None,
) -> list[Axis]:
    """Sizes, scale and crop of every axis of x."""
    from edgec.kernels.loops.resize_axis import Axis

    resized = op.resized_axes
    dims = [shape[axis] for axis in resized]
    if scales is not None:
        factors = [float(scale) for scale in scales]
        found = [scaled_dim(dim, factor) for dim, factor in zip(dims, factors, strict=True)]
        results = [int(dim) for dim in found if isinstance(dim, int)]
    else:
        assert sizes is not None
        bounded, factors = bounded_sizes(dims, [int(size) for size in sizes], op.keep_aspect)
        results = list(bounded)
    crops = np.tile([[0.0], [1.0]], len(resized)) if roi is None else roi.reshape(2, -1)
    axes = [Axis(size, size, 1.0) for size in shape]
    for place, axis in enumerate(resized):
        start, end = float(crops[0, place]), float(crops[1, place])
        axes[axis] = Axis(shape[axis], results[place], factors[place], (start, end))
    return axes


@KERNELS.rule(GridSample)
def grid_sample(op: GridSample, x: Array, grid: Array) -> Array:
    """Positions, weights and sums in float64, rounded once."""
    from edgec.kernels.loops import grid_sample as loops

    source = np.ascontiguousarray(widened(x))
    positions = np.ascontiguousarray(widened(grid))
    y = np.empty((*x.shape[:2], *grid.shape[1:-1]), source.dtype)
    loops.grid_sample(source, positions, op.mode, op.padding, op.align_corners, y)
    return rounded(y, op.x.type.dtype.numpy)
