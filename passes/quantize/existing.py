"""Grids that a graph brings along, from quantization-aware training or another quantizer."""

from __future__ import annotations

import numpy as np

from edgec.ir import Constant, DType, Grid, Value, dtypes
from edgec.ir.ops import Dequantize, Quantize
from edgec.ir.ops.quant import is_per_tensor
from edgec.kernels import KERNELS
from edgec.passes.quantize.grids import offset


def grid_in(op: Quantize | Dequantize, stored: DType) -> Grid | None:
    """The grid of an op that stores or reads a whole tensor on one; None where it is another
    kind of quantization (per channel, of another type, computed by the model)."""
    if op.block or not is_per_tensor(op.scale) or not isinstance(op.scale, Constant):
        return None
    if op.scale.type.dtype is not dtypes.f32:
        return None
    point = 0
    if op.zero_point is not None:
        if not isinstance(op.zero_point, Constant):
            return None
        point = int(op.zero_point.array.reshape(()))
    return Grid(float(op.scale.array.reshape(())), point - offset(stored))


def grid_read(value: Value, stored: DType) -> Grid | None:
    """The grid of a value that is read from integers of that type."""
    op = value.producer
    if not isinstance(op, Dequantize) or isinstance(op.x, Constant):
        return None
    if op.x.type.dtype is not stored or op.to is not dtypes.f32:
        return None
    return grid_in(op, stored)


def storing_op(value: Value, stored: DType) -> Quantize | None:
    """The op that stores a value in integers of that type, where there is one."""
    for user in value.users:
        if not isinstance(user, Quantize) or user.x is not value or user.to is not stored:
            continue
        if user.precision is None and grid_in(user, stored) is not None:
            return user
    return None


def as_floats(value: Value) -> Constant:
    """The real numbers of a constant that is stored in integers."""
    read = value.producer
    assert isinstance(read, Dequantize)
    operands = [v.array if isinstance(v, Constant) else None for v in read.operands]
    return Constant(KERNELS.rules[Dequantize](read, *operands, out=None), hint=value.hint)


def same_numbers(a: Value | None, b: Value | None) -> bool:
    """True for equal constants."""
    if a is None or b is None:
        return a is b
    return (
        isinstance(a, Constant)
        and isinstance(b, Constant)
        and a.type.dtype is b.type.dtype
        and bool(np.array_equal(a.array.reshape(-1), b.array.reshape(-1)))
    )
