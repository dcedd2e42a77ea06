"""Ops that select elements by what they are."""

from __future__ import annotations

import numpy as np

from edgec.ir import Value, dtypes, known_ints
from edgec.ir.ops import Compress, EyeLike, NonZero, OneHot, TopK, Trilu, Unique
from edgec.lowering.tflite.legalize import binary, compared, selected
from edgec.lowering.tflite.shapes import reshaped, transposed
from edgec.lowering.tflite.table import PIN, TFLITE, Unwritable
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer


@TFLITE.rule(TopK)
def top_k(op: TopK, w: Writer) -> list[Tensor]:
    """Along the last axis; the smallest are the largest of the negated."""
    x = w[op.x]
    perm = [*range(x.rank)]
    perm[op.axis], perm[-1] = perm[-1], perm[op.axis]
    k = known_ints(op.k)
    if not op.largest and not x.dtype.is_signed:
        raise Unwritable(f"the smallest {x.dtype.name}: TOPK_V2 finds the largest")
    if not op.largest and x.dtype in (dtypes.i8, dtypes.i64, dtypes.i32):
        raise Unwritable("the smallest integers: TOPK_V2 finds the largest, and negation may wrap")
    last = transposed(x if op.largest else w.op("NEG", x), perm, w)
    dims = [op.result.type.dims[axis] for axis in perm]
    count = w.const(k[0], dtypes.i32) if k else reshaped(w.cast(w[op.k], dtypes.i32), (), w)
    values, places = w.ops("TOPK_V2", [last, count], [(dims, x.dtype), (dims, dtypes.i32)])
    values = values if op.largest else w.op("NEG", values)
    return [transposed(values, perm, w), transposed(w.cast(places, dtypes.i64), perm, w)]


@TFLITE.rule(OneHot)
def one_hot(op: OneHot, w: Writer) -> Tensor:
    """Negative indices count from the end, which the operator does not know."""
    depth = known_ints(op.depth)
    if depth is None:
        raise Unwritable("the depth is computed at run time")
    values = w[op.values]
    given = w.cast(w[op.indices], dtypes.i32)
    negative = compared("LESS", given, w.like(0, given), w)
    places = selected(negative, binary("ADD", given, w.like(depth[0], given), w), given, w)
    if values.array is None or values.dtype not in (dtypes.f32, dtypes.i32, dtypes.i64):
        yes, no = w.const(True), w.const(False)
        marks = w.op("ONE_HOT", places, w.const(depth[0], dtypes.i32), yes, no,
                     dims=op.result.type.dims, dtype=dtypes.boolean, axis=_axis(op))  # fmt: skip
        off, on = (_pick(values, place, w) for place in (0, 1))
        return selected(marks, on, off, w)
    off, on = (w.const(each) for each in values.array)
    return w.op("ONE_HOT", places, w.const(depth[0], dtypes.i32), on, off,
                dims=op.result.type.dims, dtype=values.dtype, axis=_axis(op))  # fmt: skip


def _axis(op: OneHot) -> int:
    rank = op.result.type.rank
    axis = op.axis % rank
    return -1 if axis == rank - 1 else axis


def _pick(values: Tensor, place: int, w: Writer) -> Tensor:
    return w.op("SLICE", values, w.ints([place]), w.ints([1]), dims=(1,))


@TFLITE.rule(NonZero)
def non_zero(op: NonZero, w: Writer) -> Tensor:
    x = w[op.x]
    count = op.result.type.dims[1]
    if not x.rank:
        raise Unwritable("WHERE wants one dim at least")
    found = compared("NOT_EQUAL", x, w.like(0, x), w) if x.dtype is not dtypes.boolean else x
    places = w.op("WHERE", found, dims=(count, x.rank), dtype=dtypes.i64)
    return w.op("TRANSPOSE", places, w.ints([1, 0]), dims=(x.rank, count))


TFLITE.refuse(
    Unique,
    why="UNIQUE gives the elements in another order, and no positions or counts",
    instead="compute it after the model",
)


@TFLITE.rule(Trilu)
def trilu(op: Trilu, w: Writer) -> Tensor:
    x = w[op.x]
    rows, columns = x.dims[-2:]
    k = (0,) if op.k is None else known_ints(op.k)
    if k is None or not isinstance(rows, int) or not isinstance(columns, int):
        raise Unwritable("a triangle wants a known diagonal and known dims", PIN)
    at, across = np.indices((rows, columns))
    kept = across - at >= k[0] if op.upper else across - at <= k[0]
    if x.dtype is dtypes.boolean:
        return binary("LOGICAL_AND", x, w.const(kept), w)
    return selected(w.const(kept), x, w.like(0, x), w)


@TFLITE.rule(Compress)
def compress(op: Compress, w: Writer) -> Tensor:
    kept = known_ints(op.condition)
    if kept is None:
        return _at_run_time(op, w)
    places = w.ints([place for place, keep in enumerate(kept) if keep])
    x, axis = _flat(op, w)
    return w.op("GATHER", x, places, dims=op.result.type.dims, axis=axis)


def _flat(op: Compress, w: Writer) -> tuple[Tensor, int]:
    x = w[op.x]
    if op.axis is not None:
        return x, op.axis % x.rank
    if not op.x.type.is_static:
        raise Unwritable("the elements of a tensor of dims that are not known", PIN)
    return reshaped(x, (op.x.type.elements(),), w), 0


def _at_run_time(op: Compress, w: Writer) -> Tensor:
    x, axis = _flat(op, w)
    condition: Value = op.condition
    count = op.result.type.dims[axis]
    rows = w.op("WHERE", w[condition], dims=(count, 1), dtype=dtypes.i64)
    places = reshaped(w.cast(rows, dtypes.i32), (count,), w)
    return w.op("GATHER", x, places, dims=op.result.type.dims, axis=axis)


@TFLITE.rule(EyeLike)
def eye_like(op: EyeLike, w: Writer) -> Tensor:
    dims = op.x.type.static_dims
    if dims is None:
        raise Unwritable(f"a diagonal wants known dims, found {op.x.type}", PIN)
    dtype = dtypes.f32 if op.dtype is dtypes.f16 else op.dtype
    rows, columns = dims
    return w.copy(w.const(np.eye(rows, columns, k=op.k), dtype))
