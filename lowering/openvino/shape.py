"""Ops that compute with shapes, and ops that make tensors of a computed shape."""

from __future__ import annotations

from edgec.ir import Value, dtypes
from edgec.ir.ops import CountOf, DimsOf, Fill, Range
from edgec.lowering.openvino.table import OPENVINO, Output
from edgec.lowering.openvino.writer import TYPE_NAMES, Writer


@OPENVINO.rule(DimsOf)
def dims_of(op: DimsOf, w: Writer) -> Output:
    whole = w.ops.shape_of(w[op.x], "i64")
    if len(op.dims) == op.x.type.rank:
        return whole
    end = op.x.type.rank if op.end is None else op.end
    return w.ops.gather(whole, w.ints([*range(op.start, end)]), w.const(0, dtypes.i64))


def size_of(x: Value, axis: int, w: Writer) -> Output:
    """The length of an axis, as i64[1]."""
    size = x.type.dims[axis]
    if isinstance(size, int):
        return w.ints([size])
    return w.ops.gather(w.ops.shape_of(w[x], "i64"), w.ints([axis]), w.const(0, dtypes.i64))


@OPENVINO.rule(CountOf)
def count_of(op: CountOf, w: Writer) -> Output:
    return w.ops.reduce_prod(w.ops.shape_of(w[op.x], "i64"), w.ints([0]), False)


@OPENVINO.rule(Fill)
def fill(op: Fill, w: Writer) -> Output:
    return w.ops.broadcast(w.const(op.value, op.dtype), w[op.shape])


@OPENVINO.rule(Range)
def range_(op: Range, w: Writer) -> Output:
    """The operator counts from start away from limit too, where the other sign of delta says that
    there is nothing: limit is moved to start then."""
    start, limit, delta = (w.reshaped(value, ()) for value in op.present_operands)
    up = w.ops.greater(delta, w.like(0, op.delta))
    limit = w.ops.select(up, w.ops.maximum(start, limit), w.ops.minimum(start, limit))
    return w.ops.range(start, limit, delta, TYPE_NAMES[op.start.type.dtype])
