"""Between real numbers and the small integers that stand for them, in float arithmetic."""

from __future__ import annotations

from edgec.ir import Value, dtypes
from edgec.ir.ops import Dequantize, Quantize
from edgec.ir.ops.quant import is_per_tensor
from edgec.lowering.openvino.table import OPENVINO, Output, limit
from edgec.lowering.openvino.writer import Writer


@limit(Quantize, Dequantize)
def quant_limit(op: Quantize | Dequantize) -> str | None:
    if op.block:
        return "one scale per block of an axis is not written for OpenVINO"
    if op.scale.type.dtype is not dtypes.f32:
        return f"scales want float32, found {op.scale.type}"
    return None


@OPENVINO.rule(Quantize)
def quantize(op: Quantize, w: Writer) -> Output:
    x = w[op.x] if op.x.type.dtype is dtypes.f32 else w.convert(w[op.x], dtypes.f32)
    y = w.ops.round(w.ops.divide(x, _along(op, op.scale, w)))
    if op.zero_point is not None:
        y = w.ops.add(y, w.convert(_along(op, op.zero_point, w), dtypes.f32))
    return w.convert(w.ops.clamp(y, *map(float, op.to.limits)), op.to)


@OPENVINO.rule(Dequantize)
def dequantize(op: Dequantize, w: Writer) -> Output:
    y = w.convert(w[op.x], dtypes.f32)
    if op.zero_point is not None:
        y = w.ops.subtract(y, w.convert(_along(op, op.zero_point, w), dtypes.f32))
    y = w.ops.multiply(y, _along(op, op.scale, w))
    return y if op.to is dtypes.f32 else w.convert(y, op.to)


def _along(op: Quantize | Dequantize, parameter: Value, w: Writer) -> Output:
    """A scalar, or one number per slice, so that it broadcasts to x."""
    if is_per_tensor(parameter):
        return w.reshaped(parameter, ())
    dims = [1] * op.x.type.rank
    dims[op.axis] = -1
    return w.reshaped(parameter, dims)
