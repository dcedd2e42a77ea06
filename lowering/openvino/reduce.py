"""Reductions over axes."""

from __future__ import annotations

from collections.abc import Mapping

from edgec.ir.ops import (
    Reduce,
    ReduceL1,
    ReduceL2,
    ReduceLogSum,
    ReduceLogSumExp,
    ReduceMax,
    ReduceMean,
    ReduceMin,
    ReduceProd,
    ReduceSum,
    ReduceSumSquare,
)
from edgec.lowering.openvino.table import OPENVINO, Output
from edgec.lowering.openvino.writer import Writer

NAMES: Mapping[type[Reduce], str] = {
    ReduceL1: "reduce_l1",
    ReduceL2: "reduce_l2",
    ReduceMax: "reduce_max",
    ReduceMean: "reduce_mean",
    ReduceMin: "reduce_min",
    ReduceProd: "reduce_prod",
    ReduceSum: "reduce_sum",
}
_OF_BOOLS: Mapping[type[Reduce], str] = {
    ReduceMax: "reduce_logical_or",
    ReduceMin: "reduce_logical_and",
}


@OPENVINO.rule(*NAMES)
def reduce(op: Reduce, w: Writer) -> Output:
    if not op.axes:
        return w.ops.abs(w[op.x]) if isinstance(op, (ReduceL1, ReduceL2)) else w[op.x]
    names = _OF_BOOLS if op.x.type.dtype.family == "bool" else NAMES
    return _over_axes(op, names[type(op)], w[op.x], w)


def _over_axes(op: Reduce, name: str, x: Output, w: Writer) -> Output:
    return getattr(w.ops, name)(x, w.ints(op.axes), op.keepdims) if op.axes else x


@OPENVINO.rule(ReduceLogSum)
def reduce_log_sum(op: ReduceLogSum, w: Writer) -> Output:
    return w.ops.log(_over_axes(op, "reduce_sum", w[op.x], w))


@OPENVINO.rule(ReduceSumSquare)
def reduce_sum_square(op: ReduceSumSquare, w: Writer) -> Output:
    return _over_axes(op, "reduce_sum", w.ops.multiply(w[op.x], w[op.x]), w)


@OPENVINO.rule(ReduceLogSumExp)
def reduce_log_sum_exp(op: ReduceLogSumExp, w: Writer) -> Output:
    """Of x minus its largest element, so that nothing overflows."""
    if not op.axes:
        return w[op.x]
    largest = w.ops.reduce_max(w[op.x], w.ints(op.axes), True)
    total = _over_axes(op, "reduce_sum", w.ops.exp(w.ops.subtract(w[op.x], largest)), w)
    if not op.keepdims:
        largest = w.ops.squeeze(largest, w.ints(op.axes))
    return w.ops.add(w.ops.log(total), largest)
