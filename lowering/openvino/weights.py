"""Weights as small integers beside float arithmetic, in the form that the plugin keeps small: a
constant, converted, less its zero point, times its scale, with an axis of its own for groups."""

from __future__ import annotations

from math import gcd

import numpy as np

from edgec.ir import Array, Constant, Value, dtypes
from edgec.ir.ops import Dequantize
from edgec.ir.ops.quant import is_per_tensor
from edgec.lowering.openvino.table import Output
from edgec.lowering.openvino.writer import Writer


def stored_weights(value: Value) -> Dequantize | None:
    """What makes a matrix of constant integers, or None: a matrix product wants it by output."""
    op = value.producer
    if not isinstance(op, Dequantize) or not isinstance(op.x, Constant) or op.x.type.rank != 2:
        return None
    return op if all(isinstance(v, Constant) for v in op.present_operands) else None


def expanded(op: Dequantize, w: Writer, *, turned: bool = False) -> Output:
    """The constant integers of an op as floats; ``turned`` swaps the axes of a matrix."""
    assert isinstance(op.x, Constant), "for constants only"
    x, scale, point = op.x.array, _array(op.scale), _array(op.zero_point)
    axis, dims = op.axis, op.x.array.shape
    assert scale is not None, "a constant, too"
    spread = [None if a is None else _along(op, a) for a in (scale, point)]
    if turned:
        x = x.T
        spread = [a if a is None or a.ndim == 0 else a.T for a in spread]
        axis, dims = 1 - axis, dims[::-1]
    group = gcd(op.block, dims[axis]) if op.block else 0
    if group:
        count = dims[axis] // group
        blocks = np.arange(count) * group // op.block
        x = x.reshape(*dims[:axis], count, group, *dims[axis + 1 :])
        spread = [
            None if a is None else np.expand_dims(a.take(blocks, axis), axis + 1) for a in spread
        ]
    factor, zero = spread
    y = w.convert(w.named(np.ascontiguousarray(x), op.x.hint), dtypes.f32)
    if zero is not None:
        y = w.ops.subtract(y, w.convert(w.const(np.ascontiguousarray(zero)), dtypes.f32))
    y = w.ops.multiply(y, w.const(factor, dtypes.f32))
    if x.shape != dims:
        y = w.ops.reshape(y, w.ints(dims), False)
    return y if op.to is dtypes.f32 else w.convert(y, op.to)


def _array(value: Value | None) -> Array | None:
    return value.array if isinstance(value, Constant) else None


def _along(op: Dequantize, parameter: Array) -> Array:
    """So that it broadcasts to x; with blocks, to one slice of each."""
    if op.block:
        return parameter
    if is_per_tensor(op.scale):
        return parameter.reshape(())
    dims = [1] * op.x.type.rank
    dims[op.axis] = -1
    return parameter.reshape(dims)
