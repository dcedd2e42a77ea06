"""Reductions along one axis that keep positions, and running sums."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgec.ir import dtypes
from edgec.ir.ops import ArgExtreme, ArgMax, ArgMin, CumProd, CumSum
from edgec.lowering.tflite.legalize import binary
from edgec.lowering.tflite.shapes import cropped, joined, reshaped
from edgec.lowering.tflite.table import PIN, TFLITE, Unwritable
from edgec.lowering.tflite.tensors import TYPE_CODES, Tensor
from edgec.lowering.tflite.writer import Writer

NAMES: Mapping[type[ArgExtreme], str] = {ArgMax: "ARG_MAX", ArgMin: "ARG_MIN"}
STEPS = 64  # of a running product, which is written out


@TFLITE.rule(ArgMax, ArgMin)
def arg_extreme(op: ArgExtreme, w: Writer) -> Tensor:
    """Of several equal elements the operator takes the first; the last one is the first of the
    reversed."""
    x, axis = w[op.x], op.axis
    size = x.dims[axis]
    if x.dtype is dtypes.i64:
        raise Unwritable(f"{NAMES[type(op)]} compares no int64", "cast to int32 before")
    if op.last:
        x = w.op("REVERSE_V2", x, w.ints([axis]))
    kept = (*x.dims[:axis], *x.dims[axis + 1 :])
    y = w.op(NAMES[type(op)], x, w.const(axis, dtypes.i32), dims=kept, dtype=dtypes.i64,
             output_type=TYPE_CODES[dtypes.i64])  # fmt: skip
    if op.last:
        if not isinstance(size, int):
            raise Unwritable("the last of equal elements of a dim that is not known")
        y = binary("SUB", w.like(size - 1, y), y, w)
    if not op.keepdims:
        return y
    return reshaped(y, op.result.type.dims, w)


@TFLITE.rule(CumSum)
def cum_sum(op: CumSum, w: Writer) -> Tensor:
    axis = w.const(op.axis, dtypes.i32)
    return w.op("CUMSUM", w[op.x], axis, exclusive=op.exclusive, reverse=op.reverse)


@TFLITE.rule(CumProd)
def cum_prod(op: CumProd, w: Writer) -> Tensor:
    """Slice after slice."""
    x, axis = w[op.x], op.axis
    size = x.dims[axis]
    if not isinstance(size, int) or size > STEPS:
        raise Unwritable(f"a running product is written out for up to {STEPS} steps, found {size}")
    dims = (*x.dims[:axis], 1, *x.dims[axis + 1 :])
    order = range(size)[::-1] if op.reverse else range(size)
    slices = {i: cropped(x, _at(axis, i, x.rank), dims, w) for i in order}
    found: dict[int, Tensor] = {}
    product = spread_ones(dims, x, w)
    for i in order:
        after = binary("MUL", product, slices[i], w)
        found[i] = product if op.exclusive else after
        product = after
    return joined([found[i] for i in range(size)], axis, w)


def _at(axis: int, place: int, rank: int) -> list[int]:
    return [place if each == axis else 0 for each in range(rank)]


def spread_ones(dims: tuple[object, ...], x: Tensor, w: Writer) -> Tensor:
    """Ones of these dims."""
    known = [dim for dim in dims if isinstance(dim, int)]
    if len(known) != len(dims):
        raise Unwritable("a running product wants known dims", PIN)
    return w.const(np.ones(known, x.dtype.numpy))
