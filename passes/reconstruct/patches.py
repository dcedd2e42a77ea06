"""Convolutions and matmuls as one matrix product per group: what each output element is a sum of.

With G groups, K inputs to each output and O outputs in all, weights are [G, O / G, K], what enters
at P places [P, G, K], and what leaves there [P, G, O / G].
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgec.ir import Array
from edgec.ir.ops import Conv, MatMul

Layer: TypeAlias = Conv | MatMul
Positions: TypeAlias = NDArray[np.int64]  # into the places of one sample, in row-major order


def rows_of(op: Layer, weights: Array) -> Array:
    """Weights of the layer as [groups, outputs per group, inputs]."""
    if isinstance(op, MatMul):
        return (weights if op.transpose_b else weights.T)[np.newaxis]
    return weights.reshape(op.groups, weights.shape[0] // op.groups, -1)


def unrows(op: Layer, rows: Array, shape: tuple[int, ...]) -> Array:
    """The inverse of ``rows_of``: weights of that shape."""
    if isinstance(op, MatMul):
        return np.ascontiguousarray(rows[0] if op.transpose_b else rows[0].T)
    return rows.reshape(shape)


def places(op: Layer, result: Array) -> int:
    """Number of places where one sample of the result has outputs."""
    return int(result.size // result.shape[result_axis(op, result.ndim)])


def patches_at(op: Layer, x: Array, at: Positions) -> Array:
    """What enters the layer at these places of one sample, [P, groups, inputs]."""
    if isinstance(op, MatMul):
        return x.reshape(-1, x.shape[-1])[at][:, np.newaxis]
    window = op.window
    axes = window.axes
    begins, ends = window.padding(x.shape[2:])
    padded = np.pad(x, [(0, 0), (0, 0), *zip(begins, ends, strict=True)])
    spatial = tuple(range(2, 2 + axes))
    view = np.lib.stride_tricks.sliding_window_view(padded, window.extents, axis=spatial)
    steps = [slice(None, None, stride) for stride in window.strides]
    taps = [slice(None, None, dilation) for dilation in window.dilations]
    view = view[(slice(None), slice(None), *steps, *taps)]
    sample, *where = np.unravel_index(at, (view.shape[0], *view.shape[2 : 2 + axes]))
    taken = np.moveaxis(view, 1, 1 + axes)[(sample, *where)]
    return np.ascontiguousarray(taken).reshape(len(at), op.groups, -1)


def outputs_at(op: Layer, result: Array, at: Positions) -> Array:
    """What leaves the layer at these places of one sample, [P, groups, outputs per group]."""
    last = np.moveaxis(result, result_axis(op, result.ndim), -1)
    flat = last.reshape(-1, last.shape[-1])[at]
    groups = 1 if isinstance(op, MatMul) else op.groups
    return flat.reshape(len(at), groups, -1)


def channel_means(op: object, result: Array) -> Array:
    """The mean of each output channel over the places of a result, float64 [outputs]."""
    axis = result_axis(op, result.ndim)
    others = tuple(i for i in range(result.ndim) if i != axis)
    return np.asarray(result.mean(axis=others, dtype=np.float64))


def result_axis(op: object, rank: int) -> int:
    """The axis of channels of what a layer gives."""
    return rank - 1 if isinstance(op, MatMul) else 1


def is_supported(op: object) -> bool:
    """True for the layers that this module takes apart."""
    if isinstance(op, MatMul):
        return op.b.type.rank == 2 and not op.transpose_a and op.a.type.rank >= 2
    return isinstance(op, Conv) and op.layout == "nchw"
