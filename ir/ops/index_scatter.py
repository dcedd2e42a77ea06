"""Ops that write elements at positions that an operand gives."""

from __future__ import annotations

import math

import numpy as np

from edgec.ir import dtypes
from edgec.ir.contents import Contents, contents, known_ints
from edgec.ir.op import Op, OpError, Types, attr, operand
from edgec.ir.ops.common import normalized_axis, require_dim, require_rank, same_dtype
from edgec.ir.ops.index import (
    depth_of,
    distinct_tuples,
    require_below,
    require_integers,
    tuples_into,
)
from edgec.ir.sampling import NUMERIC, Sampler
from edgec.ir.value import Value

REDUCTIONS = ("none", "add", "mul", "min", "max")


class ScatterElements(Op, name="index.scatter_elements"):
    """y = x but  y[i with i[axis] replaced by indices[i]] = updates[i]

    Combined by ``reduction`` with what is there; where that is none, indices must not repeat.
    """

    x: Value = operand()
    indices: Value = operand()
    updates: Value = operand()
    axis: int = attr(default=0)
    reduction: str = attr(default="none")

    def infer(self) -> Types:
        same_dtype(self.x, self.updates)
        axis = normalized_axis(self.axis, self.x.type.rank)
        require_integers(self.indices)
        require_below(self.indices, self.x, axis)
        require_rank(self.updates, self.indices.type.rank, "updates")
        for own, other in zip(self.updates.type.dims, self.indices.type.dims, strict=True):
            require_dim(own, other, "each dim of updates")
        return (self.x.type,)

    def check(self) -> None:
        _check_reduction(self.reduction)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dims = draw.shape(draw.integer(1, 3))
        axis = draw.integer(0, len(dims) - 1)
        some = [draw.integer(1, size) for size in dims]
        own = np.broadcast_to(_along(dims[axis], axis, len(dims)), dims)
        order = draw.rng.permuted(own, axis=axis)
        chosen = order[tuple(slice(0, size) for size in some)] - draw.choice((0, dims[axis]))
        dtype = draw.choice(NUMERIC)
        return cls(
            draw.value(dtype, dims), draw.given(chosen.astype(np.int64)), draw.value(dtype, some),
            axis=axis, reduction=draw.choice(REDUCTIONS),
        )  # fmt: skip


def _along(size: int, axis: int, rank: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.arange(size).reshape([-1 if i == axis else 1 for i in range(rank)])


class ScatterNd(Op, name="index.scatter_nd"):
    """y = x but  y[indices[j, 0], indices[j, 1], …, …] = updates[j, …]

    Combined by ``reduction`` with what is there; where that is none, tuples must not repeat.
    """

    x: Value = operand()
    indices: Value = operand()
    updates: Value = operand()
    reduction: str = attr(default="none")

    def infer(self) -> Types:
        same_dtype(self.x, self.updates)
        require_integers(self.indices)
        depth = depth_of(self.indices, self.x.type.rank)
        wanted = (*self.indices.type.dims[:-1], *self.x.type.dims[depth:])
        require_rank(self.updates, len(wanted), "updates")
        for own, other in zip(self.updates.type.dims, wanted, strict=True):
            require_dim(own, other, "each dim of updates")
        return (self.x.type,)

    def check(self) -> None:
        _check_reduction(self.reduction)

    def contents(self, index: int) -> Contents | None:
        found, updates, chosen = contents(self.x), contents(self.updates), known_ints(self.indices)
        dims = self.indices.type.static_dims
        if found is None or updates is None or chosen is None or dims is None:
            return None
        if self.reduction != "none":
            return None
        y = found.copy()
        y[tuple(np.moveaxis(np.asarray(chosen, dtype=np.int64).reshape(dims), -1, 0))] = updates
        return y

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dims = draw.shape(draw.integer(1, 4), 1, 4)
        depth = draw.integer(1, len(dims))
        sizes = dims[:depth]
        reduction = draw.choice(REDUCTIONS)
        if reduction == "none":
            chosen = distinct_tuples(draw, sizes, (draw.integer(0, math.prod(sizes)),))
        else:
            chosen = tuples_into(draw, sizes, draw.shape(draw.integer(1, 2), 0, 4))
        dtype = draw.choice(NUMERIC)
        updates = draw.value(dtype, (*chosen.shape[:-1], *dims[depth:]))
        return cls(draw.value(dtype, dims), draw.given(chosen), updates, reduction=reduction)


def _check_reduction(reduction: str) -> None:
    if reduction not in REDUCTIONS:
        raise OpError(f"reduction is one of {REDUCTIONS}, found {reduction!r}")


class TensorScatter(Op, name="index.tensor_scatter"):
    """y = x but  y[b, …, (write_indices[b] + t) mod T, …] = update[b, …, t, …]  along ``axis``,
    whose length is T

    Positions beyond T are illegal unless ``mode`` is circular (ONNX TensorScatter-24).
    """

    x: Value = operand()
    update: Value = operand()
    write_indices: Value | None = operand(default=None)
    axis: int = attr(kw_only=True)
    mode: str = attr(default="linear")

    def infer(self) -> Types:
        same_dtype(self.x, self.update)
        axis = normalized_axis(self.axis, self.x.type.rank)
        if axis == 0:
            raise OpError("axis 0 is the batch")
        require_rank(self.update, self.x.type.rank, "update")
        for i, (own, other) in enumerate(zip(self.update.type.dims, self.x.type.dims, strict=True)):
            if i != axis:
                require_dim(own, other, f"dim {i} of update")
        if self.write_indices is not None:
            require_rank(self.write_indices, 1, "write_indices")
            found = self.write_indices.type.dims[0]
            require_dim(found, self.x.type.dims[0], "the length of write_indices")
        return (self.x.type,)

    def check(self) -> None:
        if self.mode not in ("linear", "circular"):
            raise OpError(f"mode is 'linear' or 'circular', found {self.mode!r}")

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dims = list(draw.shape(draw.integer(2, 4)))
        axis = draw.integer(1, len(dims) - 1)
        total, length = dims[axis], draw.integer(1, dims[axis])
        mode = draw.choice(("linear", "circular"))
        starts = draw.rng.integers(0, total if mode == "circular" else total - length + 1, dims[0])
        dtype = draw.choice((*NUMERIC, dtypes.boolean))
        x = draw.value(dtype, dims)
        dims[axis] = length
        given = draw.given(starts.astype(np.int64)) if draw.chance(0.7) else None
        return cls(x, draw.value(dtype, dims), given, axis=axis, mode=mode)
