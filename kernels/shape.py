"""Kernels of shape arithmetic."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array
from edgec.ir.ops import CountOf, DimsOf, Fill, Range
from edgec.kernels.precision import rounded
from edgec.kernels.table import KERNELS


@KERNELS.rule(DimsOf)
def dims_of(op: DimsOf, x: Array) -> Array:
    return np.asarray(x.shape[op.start : op.end], dtype=np.int64)


@KERNELS.rule(CountOf)
def count_of(op: CountOf, x: Array) -> Array:
    return np.asarray(x.size, dtype=np.int64)


@KERNELS.rule(Fill)
def fill(op: Fill, shape: Array) -> Array:
    return np.full(shape.tolist(), op.value, dtype=op.dtype.numpy)


@KERNELS.rule(Range)
def range_(op: Range, start: Array, limit: Array, delta: Array) -> Array:
    """start + i·delta in float64 for floats, rounded once."""
    first, last, step = (operand.item() for operand in (start, limit, delta))
    if step == 0:
        raise ValueError("delta is 0")
    if op.start.type.dtype.is_integer:
        return np.arange(first, last, step, dtype=start.dtype)
    count = max(int(np.ceil((last - first) / step)), 0)
    return rounded(first + np.arange(count) * step, start.dtype)
