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
from edgec.lowering.tflite.legalize import binary
from edgec.lowering.tflite.shapes import reshaped
from edgec.lowering.tflite.table import TFLITE, Unwritable
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer

NAMES: Mapping[type[Reduce], str] = {
    ReduceMax: "REDUCE_MAX",
    ReduceMean: "MEAN",
    ReduceMin: "REDUCE_MIN",
    ReduceProd: "REDUCE_PROD",
    ReduceSum: "SUM",
}
OF_BOOLS = {"REDUCE_MAX": "REDUCE_ANY", "REDUCE_MIN": "REDUCE_ALL"}


def reduced(
    builtin: str, x: Tensor, op: Reduce, w: Writer, *, keepdims: bool | None = None
) -> Tensor:
    """x reduced over the axes of an op."""
    keep = op.keepdims if keepdims is None else keepdims
    if not op.axes:
        return w.copy(x) if x.producer is None else x
    dims = tuple(
        1 if axis in op.axes else dim
        for axis, dim in enumerate(x.dims)
        if keep or axis not in op.axes
    )
    if any(x.dims[axis] == 0 for axis in op.axes):
        raise Unwritable("a reduction over no elements is not written")
    return w.op(builtin, x, w.ints(op.axes), dims=dims, keep_dims=keep)


@TFLITE.rule(*NAMES)
def reduce_(op: Reduce, w: Writer) -> Tensor:
    x, name = w[op.x], NAMES[type(op)]
    if x.dtype is dtypes.boolean:
        return reduced(OF_BOOLS[name], x, op, w)
    return reduced(name, x, op, w)


@TFLITE.rule(ReduceL1)
def l1(op: ReduceL1, w: Writer) -> Tensor:
    return reduced("SUM", w.op("ABS", w[op.x]), op, w)


@TFLITE.rule(ReduceL2)
def l2(op: ReduceL2, w: Writer) -> Tensor:
    return w.op("SQRT", reduced("SUM", _square(w[op.x], w), op, w))


@TFLITE.rule(ReduceSumSquare)
def sum_square(op: ReduceSumSquare, w: Writer) -> Tensor:
    return reduced("SUM", _square(w[op.x], w), op, w)


def _square(x: Tensor, w: Writer) -> Tensor:
    return w.op("SQUARE", x) if x.dtype.is_float else binary("MUL", x, x, w)


@TFLITE.rule(ReduceLogSum)
def log_sum(op: ReduceLogSum, w: Writer) -> Tensor:
    return w.op("LOG", reduced("SUM", w[op.x], op, w))


@TFLITE.rule(ReduceLogSumExp)
def log_sum_exp(op: ReduceLogSumExp, w: Writer) -> Tensor:
    """From differences to the largest element, which do not overflow."""
    x = w[op.x]
    if not op.axes:
        return w.copy(x)
    largest = reduced("REDUCE_MAX", x, op, w, keepdims=True)
    small = w.op("EXP", binary("SUB", x, largest, w))
    y = w.op("LOG", reduced("SUM", small, op, w))
    return binary("ADD", y, reshaped(largest, y.dims, w), w)
