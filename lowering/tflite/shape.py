"""Ops that compute with shapes, and ops that make tensors of a computed shape."""

from __future__ import annotations

import numpy as np

from edgec.ir import Value, dtypes
from edgec.ir.ops import CountOf, DimsOf, Fill, Range
from edgec.lowering.tflite.dims import vector
from edgec.lowering.tflite.shapes import cropped, reshaped
from edgec.lowering.tflite.table import TFLITE, Unwritable
from edgec.lowering.tflite.tensors import TYPE_CODES, Tensor
from edgec.lowering.tflite.writer import Writer


def _shape(x: Tensor, w: Writer) -> Tensor:
    return w.op("SHAPE", x, dims=(x.rank,), dtype=dtypes.i64, out_type=TYPE_CODES[dtypes.i64])


@TFLITE.rule(DimsOf)
def dims_of(op: DimsOf, w: Writer) -> Tensor:
    known = [dim for dim in op.dims if isinstance(dim, int)]
    if len(known) == len(op.dims):
        return w.copy(w.const(known, dtypes.i64))
    return cropped(_shape(w[op.x], w), (op.start,), (len(op.dims),), w)


@TFLITE.rule(CountOf)
def count_of(op: CountOf, w: Writer) -> Tensor:
    if op.x.type.is_static:
        return w.copy(w.const(op.x.type.elements(), dtypes.i64))
    return w.op("REDUCE_PROD", _shape(w[op.x], w), w.ints([0]), dims=(), keep_dims=False)


@TFLITE.rule(Fill)
def fill(op: Fill, w: Writer) -> Tensor:
    dtype = dtypes.f32 if op.dtype is dtypes.f16 else op.dtype
    dims = op.result.type.static_dims
    if dims is not None:
        return w.copy(w.const(np.full(dims, op.value, dtype.numpy)))
    number = w.const(np.asarray(op.value, dtype.numpy))
    try:
        shape = vector(op.result.type.dims, [], w)
    except Unwritable:
        shape = w.cast(w[op.shape], dtypes.i32)
    return w.op("FILL", shape, number, dims=op.result.type.dims, dtype=dtype)


@TFLITE.rule(Range)
def range_(op: Range, w: Writer) -> Tensor:
    """The operator stops where the range is empty, so the limit is bounded by the start."""
    start, limit, delta = (_scalar(value, w) for value in (op.start, op.limit, op.delta))
    if delta.array is None:
        raise Unwritable("RANGE stops at an empty range, and the sign of delta is not known")
    if start.array is None or limit.array is None:
        limit = w.op("MAXIMUM" if delta.array > 0 else "MINIMUM", limit, start)
    return w.op("RANGE", start, limit, delta, dims=op.result.type.dims)


def _scalar(value: Value, w: Writer) -> Tensor:
    return reshaped(w[value], (), w)
