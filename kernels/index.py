"""Kernels that read and write at positions that an operand gives."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgec.ir import Array
from edgec.ir.ops import (
    Gather,
    GatherElements,
    GatherNd,
    ScatterElements,
    ScatterNd,
    TensorScatter,
)
from edgec.kernels import index_select as _select  # noqa: F401  (fills the table)
from edgec.kernels.precision import rounded, widened
from edgec.kernels.table import KERNELS

_REDUCE: Mapping[str, np.ufunc] = {
    "add": np.add,
    "mul": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
}


@KERNELS.rule(Gather)
def gather(op: Gather, x: Array, indices: Array) -> Array:
    return np.asarray(np.take(x, indices, axis=op.axis))


@KERNELS.rule(GatherElements)
def gather_elements(op: GatherElements, x: Array, indices: Array) -> Array:
    return x[_positions(indices, op.axis)]


def _positions(indices: Array, axis: int) -> tuple[Array, ...]:
    """An index array per axis: ``indices`` along one, the own position along the others."""
    own = np.ogrid[tuple(slice(size) for size in indices.shape)]
    return tuple(indices if i == axis else position for i, position in enumerate(own))


@KERNELS.rule(GatherNd)
def gather_nd(op: GatherNd, x: Array, indices: Array) -> Array:
    positions = np.ogrid[tuple(slice(size) for size in indices.shape[:-1])]
    return np.asarray(x[(*positions[: op.batch_dims], *np.moveaxis(indices, -1, 0))])


@KERNELS.rule(ScatterElements)
def scatter_elements(op: ScatterElements, x: Array, indices: Array, updates: Array) -> Array:
    return _scattered(x, _positions(indices, op.axis), updates, op.reduction)


@KERNELS.rule(ScatterNd)
def scatter_nd(op: ScatterNd, x: Array, indices: Array, updates: Array) -> Array:
    return _scattered(x, tuple(np.moveaxis(indices, -1, 0)), updates, op.reduction)


def _scattered(x: Array, positions: tuple[Array, ...], updates: Array, reduction: str) -> Array:
    if reduction == "none":
        y = np.array(x, order="C")
        y[positions] = updates
        return y
    y = np.array(widened(x), order="C")
    with np.errstate(all="ignore"):
        _REDUCE[reduction].at(y, positions, widened(updates))
    return rounded(y, x.dtype)


@KERNELS.rule(TensorScatter)
def tensor_scatter(
    op: TensorScatter, x: Array, update: Array, write_indices: Array | None
) -> Array:
    y = np.array(x, order="C")
    target, source = np.moveaxis(y, op.axis, 1), np.moveaxis(update, op.axis, 1)
    total, length = target.shape[1], source.shape[1]
    starts = [0] * x.shape[0] if write_indices is None else write_indices.tolist()
    for b, start in enumerate(starts):
        positions = start + np.arange(length)
        if op.mode == "circular":
            positions %= total
        elif not 0 <= start <= total - length:
            raise IndexError(f"positions {start}…{start + length - 1} of {total}")
        target[b, positions] = source[b]
    return y
