"""Kernels of quantization, to the bit as ONNX defines them."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array, dtypes
from edgec.ir.ops import Dequantize, Quantize
from edgec.ir.ops.quant import INTEGERS
from edgec.kernels.convert import converted
from edgec.kernels.precision import rounded, widened
from edgec.kernels.table import KERNELS


@KERNELS.rule(Quantize)
def quantize(
    op: Quantize, x: Array, scale: Array, zero_point: Array | None, *, out: Array | None
) -> Array:
    """The quotient is rounded to the type of the scale first, in which runtimes divide. NaN becomes
    the lowest integer."""
    precision = op.precision or op.scale.type.dtype
    if precision.bits < 16:  # a scale of powers of two: the division is exact in x's own type
        precision = op.x.type.dtype
    divisor = _spread(widened(scale), x.shape, op.axis, op.block)
    with np.errstate(all="ignore"):
        y = widened(np.divide(widened(x), divisor, dtype=_divided_in(op)).astype(precision.numpy))
        if op.to not in INTEGERS:
            return converted(y, op.to, saturate=op.saturate, out=out)
        np.rint(y, out=y)
        if zero_point is not None:
            y += _spread(widened(zero_point), x.shape, op.axis, op.block)
        low, high = op.to.limits
        np.fmin(np.fmax(y, y.dtype.type(low), out=y), y.dtype.type(high), out=y)
    return rounded(rounded(y, np.dtype(np.int32)), op.to.numpy, out)


def _divided_in(op: Quantize) -> np.dtype[np.floating]:
    wide = dtypes.f64 in (op.x.type.dtype, op.scale.type.dtype)
    return np.dtype(np.float64 if wide else np.float32)


@KERNELS.rule(Dequantize)
def dequantize(
    op: Dequantize, x: Array, scale: Array, zero_point: Array | None, *, out: Array | None
) -> Array:
    """In float32, as runtimes do."""
    direct = out is not None and out.dtype == np.float32
    y = out if out is not None and direct else np.empty(x.shape, np.float32)
    np.copyto(y, x, casting="unsafe")
    with np.errstate(all="ignore"):
        if zero_point is not None:
            point = widened(zero_point).astype(np.float32)
            y -= _spread(point, x.shape, op.axis, op.block)
        y *= _spread(scale.astype(np.float32), x.shape, op.axis, op.block)
    return rounded(y, op.to.numpy, out)


def _spread(parameter: Array, shape: tuple[int, ...], axis: int, block: int) -> Array:
    """Scales or zero points so that they broadcast to x."""
    if block:
        repeated = np.repeat(parameter, block, axis)
        return np.take(repeated, np.arange(shape[axis]), axis)
    if parameter.size == 1:
        return parameter.reshape(())
    along = [1] * len(shape)
    along[axis] = -1
    return parameter.reshape(along)
