"""Softmax and its kin."""

from __future__ import annotations

from edgec.ir import dtypes
from edgec.ir.ops import Hardmax, LogSoftmax, Softmax
from edgec.lowering.openvino.scan_axis import extreme_position
from edgec.lowering.openvino.shape import size_of
from edgec.lowering.openvino.table import OPENVINO, Output
from edgec.lowering.openvino.writer import Writer


@OPENVINO.rule(Softmax)
def softmax(op: Softmax, w: Writer) -> Output:
    return w.ops.softmax(w[op.x], op.axis)


@OPENVINO.rule(LogSoftmax)
def log_softmax(op: LogSoftmax, w: Writer) -> Output:
    return w.ops.log_softmax(w[op.x], op.axis)


@OPENVINO.rule(Hardmax)
def hardmax(op: Hardmax, w: Writer) -> Output:
    best = w.ops.squeeze(extreme_position(w[op.x], op.axis, "max", w), w.ints([op.axis]))
    depth = w.ops.squeeze(size_of(op.x, op.axis, w), w.const(0, dtypes.i64))
    return w.ops.one_hot(best, depth, w.like(1, op.x), w.like(0, op.x), op.axis)
