"""Kernels of the ways onto and off quantized grids, bit by bit as LiteRT's reference kernels."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array
from edgec.ir.ops import IntegerDequantize, IntegerQuantize
from edgec.kernels.integer_fixed_point import scale_of, zero_point_of
from edgec.kernels.table import KERNELS


@KERNELS.rule(IntegerQuantize)
def quantize(op: IntegerQuantize, x: Array, *, out: Array | None) -> Array:
    """NaN becomes the zero point."""
    from edgec.kernels.loops.integer_pairs import quantized

    y = np.empty(x.shape, np.int8) if out is None else out
    quantized(
        np.ascontiguousarray(x).reshape(-1),
        np.float32(op.scale),
        np.float32(op.zero_point),
        y.reshape(-1),
    )
    return y


@KERNELS.rule(IntegerDequantize)
def dequantize(op: IntegerDequantize, x: Array, *, out: Array | None) -> Array:
    """The product is rounded once."""
    y = np.empty(x.shape, np.float32) if out is None else out
    np.subtract(x, np.float32(zero_point_of(op.x)), out=y, dtype=np.float32)
    return np.multiply(y, scale_of(op.x), out=y)
