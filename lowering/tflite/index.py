"""Ops that read elements at positions that an operand gives."""

from __future__ import annotations

import numpy as np

from edgec.ir import Dim, Value, dtypes, known_ints
from edgec.ir.ops import Gather, GatherElements, GatherNd
from edgec.lowering.tflite.legalize import binary, compared, selected
from edgec.lowering.tflite.shapes import joined, reshaped
from edgec.lowering.tflite.table import PIN, TFLITE, Unwritable, static_dim
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer


def from_front(indices: Value, size: Dim, w: Writer) -> Tensor:
    """Positions that count from the end as ones that count from the front."""
    known = known_ints(indices)
    given = w[indices]
    if known is not None and isinstance(size, int):
        array = np.asarray(known, np.int64).reshape(_static(indices))
        return w.const(np.where(array < 0, array + size, array), dtypes.i32)
    if known is not None and min(known, default=0) >= 0:
        return w.const(np.asarray(known).reshape(_static(indices)), dtypes.i32)
    if not isinstance(size, int):
        raise Unwritable("positions into a dim that is not known", PIN)
    places = w.cast(given, dtypes.i32)
    wrapped = binary("ADD", places, w.like(size, places), w)
    return selected(compared("LESS", places, w.like(0, places), w), wrapped, places, w)


def _static(value: Value) -> tuple[int, ...]:
    dims = value.type.static_dims
    assert dims is not None, "the elements are known, so the dims are"
    return dims


@TFLITE.rule(Gather)
def gather(op: Gather, w: Writer) -> Tensor:
    x = w[op.x]
    axis = op.axis % x.rank
    places = from_front(op.indices, x.dims[axis], w)
    return w.op("GATHER", x, places, dims=op.result.type.dims, axis=axis)


@TFLITE.rule(GatherNd)
def gather_nd(op: GatherNd, w: Writer) -> Tensor:
    x = w[op.x]
    dims = x.static_dims
    if dims is None:
        raise Unwritable("positions into dims that are not known", PIN)
    depth = static_dim(op.indices.type.dims[-1], "length of a position")
    batch = op.batch_dims
    places = wrapped(op.indices, dims[batch : batch + depth], w)
    if batch:
        places = with_batch(places, dims[:batch], w)
    return w.op("GATHER_ND", x, places, dims=op.result.type.dims)


def wrapped(indices: Value, sizes: tuple[int, ...], w: Writer) -> Tensor:
    """Tuples of positions along the last axis, counted from the front."""
    known = known_ints(indices)
    if known is not None:
        array = np.asarray(known, np.int64).reshape(_static(indices))
        return w.const(np.where(array < 0, array + np.asarray(sizes), array), dtypes.i32)
    places = w.cast(w[indices], dtypes.i32)
    moved = binary("ADD", places, w.ints(sizes), w)
    return selected(compared("LESS", places, w.like(0, places), w), moved, places, w)


def with_batch(places: Tensor, batch: tuple[int, ...], w: Writer) -> Tensor:
    """Tuples with the position in the leading axes in front."""
    dims = places.dims[:-1]
    counted = np.indices(batch).reshape((len(batch), *batch, *(1,) * (len(dims) - len(batch))))
    wide = np.broadcast_to(np.moveaxis(counted, 0, -1), (*_ints(dims), len(batch)))
    return joined([w.const(wide, dtypes.i32), places], len(dims), w) if places.array is None else (
        w.const(np.concatenate([wide, places.array], axis=-1), dtypes.i32))  # fmt: skip


def _ints(dims: tuple[Dim, ...]) -> tuple[int, ...]:
    known = tuple(dim for dim in dims if isinstance(dim, int))
    if len(known) != len(dims):
        raise Unwritable("the number of positions is not known")
    return known


@TFLITE.rule(GatherElements)
def gather_elements(op: GatherElements, w: Writer) -> Tensor:
    """By the position of each element in the flattened x."""
    x = w[op.x]
    places = flat_places(op.indices, x, op.axis % x.rank, w)
    return w.op("GATHER", reshaped(x, (_count(x),), w), places, dims=op.result.type.dims, axis=0)


def flat_places(indices: Value, x: Tensor, axis: int, w: Writer) -> Tensor:
    """Where x[i with i[axis] replaced by indices[i]] lies in the flattened x."""
    dims, own = x.static_dims, indices.type.static_dims
    if dims is None or own is None:
        raise Unwritable("positions into dims that are not known", PIN)
    strides = [int(np.prod(dims[i + 1 :])) for i in range(len(dims))]
    grid = np.indices(own)
    base = sum((grid[i] * strides[i] for i in range(len(own)) if i != axis), np.zeros(own, int))
    places = from_front(indices, dims[axis], w)
    if places.array is not None:
        return w.const(places.array * strides[axis] + base, dtypes.i32)
    return binary("ADD", binary("MUL", places, w.like(strides[axis], places), w),
                  w.const(base, dtypes.i32), w)  # fmt: skip


def _count(x: Tensor) -> int:
    return int(np.prod(_ints(x.dims)))
