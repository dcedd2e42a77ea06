"""Ops that read elements at positions that an operand gives."""

from __future__ import annotations

import math

import numpy as np

from edgec.ir import dtypes
from edgec.ir.contents import Contents, contents, known_ints
from edgec.ir.dims import Dim
from edgec.ir.op import Op, OpError, Types, attr, operand
from edgec.ir.ops.common import normalized_axis, require_dim
from edgec.ir.sampling import NUMERIC, Sampler
from edgec.ir.traits import Movement
from edgec.ir.value import Value
from edgec.ir.weight import Array

INDICES = (dtypes.i64, dtypes.i64, dtypes.i32)


class Gather(Op, name="index.gather", traits=(Movement,)):
    """y[…, j, …] = x[…, indices[j], …]  along ``axis``; negative indices count from the end"""

    x: Value = operand()
    indices: Value = operand()
    axis: int = attr(default=0)

    def infer(self) -> Types:
        axis = normalized_axis(self.axis, self.x.type.rank)
        require_integers(self.indices)
        size, found = self.x.type.dims[axis], known_ints(self.indices)
        if isinstance(size, int) and found and not -size <= min(found) <= max(found) < size:
            raise OpError(f"an index of {min(found)}…{max(found)} is outside dim {axis} of "
                          f"{self.x.type}")  # fmt: skip
        before, after = self.x.type.dims[:axis], self.x.type.dims[axis + 1 :]
        return (self.x.type.with_dims((*before, *self.indices.type.dims, *after)),)

    def contents(self, index: int) -> Contents | None:
        found, chosen = contents(self.x), known_ints(self.indices)
        dims = self.indices.type.static_dims
        if found is None or chosen is None or dims is None:
            return None
        picked = np.empty(self.result.type.static_dims or (), dtype=object)
        picked[...] = np.take(found, np.asarray(chosen, dtype=np.int64).reshape(dims), self.axis)
        return picked

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dims = draw.shape(draw.integer(1, 3))
        axis = draw.integer(0, len(dims) - 1)
        chosen = indices_into(draw, dims[axis], draw.shape(draw.integer(0, 2), 0, 3))
        x = draw.value(draw.choice((*NUMERIC, dtypes.boolean)), dims)
        return cls(x, draw.given(chosen) if draw.chance() else draw.const(chosen), axis=axis)


class GatherElements(Op, name="index.gather_elements", traits=(Movement,)):
    """y[i] = x[i with i[axis] replaced by indices[i]]"""

    x: Value = operand()
    indices: Value = operand()
    axis: int = attr(default=0)

    def infer(self) -> Types:
        axis = normalized_axis(self.axis, self.x.type.rank)
        require_integers(self.indices)
        require_below(self.indices, self.x, axis)
        return (self.x.type.with_dims(self.indices.type.dims),)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dims = draw.shape(draw.integer(1, 4))
        axis = draw.integer(0, len(dims) - 1)
        picked = [draw.integer(1, size) for size in dims]
        picked[axis] = draw.integer(0, 4)
        chosen = indices_into(draw, dims[axis], picked)
        return cls(draw.value(draw.choice(NUMERIC), dims), draw.given(chosen), axis=axis)


class GatherNd(Op, name="index.gather_nd", traits=(Movement,)):
    """y[b, j, …] = x[b, indices[b, j, 0], indices[b, j, 1], …, …]  with ``batch_dims`` leading
    axes b in common"""

    x: Value = operand()
    indices: Value = operand()
    batch_dims: int = attr(default=0)

    def infer(self) -> Types:
        require_integers(self.indices)
        x, indices, batch = self.x.type.dims, self.indices.type.dims, self.batch_dims
        if not 0 <= batch < min(len(x), len(indices)):
            raise OpError(f"batch_dims {batch} do not fit {self.x.type} and {self.indices.type}")
        depth = depth_of(self.indices, len(x) - batch)
        for own, other in zip(x[:batch], indices[:batch], strict=True):
            require_dim(other, own, "each batch dim of indices")
        return (self.x.type.with_dims((*indices[:-1], *x[batch + depth :])),)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dims = draw.shape(draw.integer(1, 4), 1, 4)
        batch = draw.integer(0, len(dims) - 1)
        depth = draw.integer(1, len(dims) - batch)
        between = draw.shape(draw.integer(0, 2), 0, 3)
        sizes = dims[batch : batch + depth]
        chosen = tuples_into(draw, sizes, (*dims[:batch], *between))
        x = draw.value(draw.choice(NUMERIC), dims)
        return cls(x, draw.given(chosen), batch_dims=batch)


def require_integers(indices: Value) -> None:
    """Raises OpError unless these can be positions."""
    if not indices.type.dtype.is_integer:
        raise OpError(f"indices want integers, found {indices.type}")


def require_below(indices: Value, x: Value, axis: int) -> None:
    """Raises OpError unless indices have the rank of x and, but along the axis, no larger dims."""
    if indices.type.rank != x.type.rank:
        raise OpError(f"indices want the rank of {x.type}, found {indices.type}")
    pairs = zip(indices.type.dims, x.type.dims, strict=True)
    for i, (own, other) in enumerate(pairs):
        if i != axis and isinstance(own, int) and isinstance(other, int) and own > other:
            raise OpError(f"dim {i} of indices exceeds that of {x.type}, found {own}")


def depth_of(indices: Value, rank: int) -> int:
    """How many axes one index tuple addresses. Raises OpError when it is not 1…rank."""
    depth: Dim = indices.type.dims[-1] if indices.type.rank else 0
    if not isinstance(depth, int) or not 1 <= depth <= rank:
        raise OpError(f"the last dim of indices is at least 1 and at most {rank}, found {depth}")
    return depth


def indices_into(draw: Sampler, size: int, dims: tuple[int, ...] | list[int]) -> Array:
    """Random legal indices into a dim, some of them negative."""
    chosen: Array = draw.rng.integers(-size, size, tuple(dims))
    return chosen.astype(draw.choice(INDICES).numpy)


def tuples_into(draw: Sampler, sizes: tuple[int, ...], dims: tuple[int, ...]) -> Array:
    """Random legal index tuples, the last axis running over ``sizes``."""
    parts = [draw.rng.integers(-size, size, dims) for size in sizes]
    return np.stack(parts, axis=-1).astype(np.int64)


def distinct_tuples(draw: Sampler, sizes: tuple[int, ...], dims: tuple[int, ...]) -> Array:
    """Random legal index tuples of which no two are equal; ``dims`` may hold fewer than sizes."""
    chosen = draw.rng.permutation(math.prod(sizes))[: math.prod(dims)]
    return np.stack(np.unravel_index(chosen.reshape(dims), sizes), axis=-1).astype(np.int64)
