"""Kernels that select elements by what they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgec.ir import Array
from edgec.ir.ops import Compress, EyeLike, NonZero, OneHot, TopK, Trilu, Unique
from edgec.kernels.table import KERNELS


@KERNELS.rule(TopK)
def top_k(op: TopK, x: Array, k: Array) -> tuple[Array, Array]:
    count = int(k.reshape(()))
    size = x.shape[op.axis]
    if not 0 <= count <= size:
        raise ValueError(f"k is {count}, of {size} elements")
    if op.largest:  # a stable sort of the flipped axis, so that the lower index comes first
        backwards = np.argsort(np.flip(x, op.axis), axis=op.axis, kind="stable")
        order = size - 1 - np.flip(backwards, op.axis)
    else:
        order = np.argsort(x, axis=op.axis, kind="stable")
    chosen = np.take(order, np.arange(count), axis=op.axis).astype(np.int64)
    return np.take_along_axis(x, chosen, axis=op.axis), chosen


@KERNELS.rule(OneHot)
def one_hot(op: OneHot, indices: Array, depth: Array, values: Array) -> Array:
    size = int(depth.reshape(()))
    positions = indices.astype(np.int64)
    positions = np.where(positions < 0, positions + size, positions)
    hot = np.expand_dims(positions, op.axis) == _along(size, op.axis, indices.ndim + 1)
    return np.asarray(np.where(hot, values[1], values[0]))


def _along(size: int, axis: int, rank: int) -> Array:
    return np.arange(size).reshape([-1 if i == axis else 1 for i in range(rank)])


@KERNELS.rule(NonZero)
def non_zero(op: NonZero, x: Array) -> Array:
    return np.ascontiguousarray(np.argwhere(x).T, dtype=np.int64)


@KERNELS.rule(Unique)
def unique(op: Unique, x: Array) -> tuple[Array, ...]:
    y, first, inverse, counts = np.unique(
        x, return_index=True, return_inverse=True, return_counts=True, axis=op.axis
    )
    inverse = inverse.reshape(-1)
    if not op.sorted:
        order = np.argsort(first)
        rank = np.argsort(order)
        y = np.take(y, order, axis=op.axis or 0)
        first, counts, inverse = first[order], counts[order], rank[inverse]
    return np.ascontiguousarray(y), *(a.astype(np.int64) for a in (first, inverse, counts))


@KERNELS.rule(Trilu)
def trilu(op: Trilu, x: Array, k: Array | None) -> Array:
    diagonal = 0 if k is None else int(k.reshape(()))
    return np.triu(x, diagonal) if op.upper else np.tril(x, diagonal)


@KERNELS.rule(Compress)
def compress(op: Compress, x: Array, condition: Array) -> Array:
    return np.compress(condition, x, axis=op.axis)


@KERNELS.rule(EyeLike)
def eye_like(op: EyeLike, x: Array) -> Array:
    rows, columns = x.shape
    dtype: np.dtype[Any] = op.dtype.numpy
    return np.asarray(np.eye(rows, columns, op.k, dtype=dtype))
