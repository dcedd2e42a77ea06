"""Reductions over axes."""

from __future__ import annotations

from collections.abc import Mapping

from edgec.ir import dtypes
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
from edgec.lowering.tensorrt.table import TENSORRT, Tensor
from edgec.lowering.tensorrt.writer import Writer

NAMES: Mapping[type[Reduce], str] = {
    ReduceMax: "MAX",
    ReduceMean: "AVG",
    ReduceMin: "MIN",
    ReduceProd: "PROD",
    ReduceSum: "SUM",
}


@TENSORRT.rule(*NAMES)
def reduce(op: Reduce, w: Writer) -> Tensor:
    x, name = w[op.x], NAMES[type(op)]
    if op.x.type.dtype is dtypes.boolean:
        counted = w.cast(x, dtypes.i32)
        return w.cast(w.reduce(name, counted, op.axes, op.keepdims), dtypes.boolean)
    return w.reduce(name, x, op.axes, op.keepdims)


def _sum(op: Reduce, x: Tensor, w: Writer) -> Tensor:
    return w.reduce("SUM", x, op.axes, op.keepdims)


@TENSORRT.rule(ReduceL1)
def reduce_l1(op: ReduceL1, w: Writer) -> Tensor:
    return _sum(op, w.unary("ABS", w[op.x]), w)


@TENSORRT.rule(ReduceL2)
def reduce_l2(op: ReduceL2, w: Writer) -> Tensor:
    if not op.axes:
        return w.unary("ABS", w[op.x])
    return w.unary("SQRT", _sum(op, w.binary("PROD", w[op.x], w[op.x]), w))


@TENSORRT.rule(ReduceLogSum)
def reduce_log_sum(op: ReduceLogSum, w: Writer) -> Tensor:
    return w.unary("LOG", _sum(op, w[op.x], w))


@TENSORRT.rule(ReduceSumSquare)
def reduce_sum_square(op: ReduceSumSquare, w: Writer) -> Tensor:
    return _sum(op, w.binary("PROD", w[op.x], w[op.x]), w)


@TENSORRT.rule(ReduceLogSumExp)
def reduce_log_sum_exp(op: ReduceLogSumExp, w: Writer) -> Tensor:
    """Of x minus its largest element, so that nothing overflows."""
    if not op.axes:
        return w[op.x]
    largest = w.reduce("MAX", w[op.x], op.axes, True)
    total = _sum(op, w.unary("EXP", w.binary("SUB", w[op.x], largest)), w)
    if not op.keepdims:
        largest = w.reduce("MAX", largest, op.axes, False)
    return w.binary("SUM", w.unary("LOG", total), largest)
