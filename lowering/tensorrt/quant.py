"""Between real numbers and the small integers that stand for them. TensorRT's rule: the zero
point is 0, scales are constants."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array, Builder, Constant, Value, dtypes
from edgec.ir.ops import Dequantize, Quantize
from edgec.ir.ops.quant import is_per_tensor
from edgec.kernels import run
from edgec.lowering.tensorrt.layers import out
from edgec.lowering.tensorrt.table import TENSORRT, Tensor, limit
from edgec.lowering.tensorrt.writer import Writer

STORED = (dtypes.i8, dtypes.i4, dtypes.f8e4m3fn)
REAL = (dtypes.f32, dtypes.f16, dtypes.bf16)
_HOW = "--precision int8 stores a model that comes quantized on symmetric grids of its own ranges"


@limit(Quantize)
def quantize_limit(op: Quantize) -> str | None:
    if not op.saturate or op.precision is not None:
        return "quantization saturates, in the precision of the scale"
    if op.to is dtypes.i4:
        return "4-bit integers are for constants: there is no quantization to them at run time"
    return _limit(op, op.to, op.x)


@limit(Dequantize)
def dequantize_limit(op: Dequantize) -> str | None:
    if op.x.type.dtype is dtypes.i4 and not isinstance(op.x, Constant):
        return "4-bit integers are for constants"
    return _limit(op, op.x.type.dtype, op.result)


def _limit(op: Quantize | Dequantize, stored: object, real: Value) -> str | None:
    if stored not in STORED:
        how = f": {_HOW}" if stored in (dtypes.u8, dtypes.i32) else ""
        return f"numbers are stored as {', '.join(d.name for d in STORED)}, not as {stored}{how}"
    if real.type.dtype is not op.scale.type.dtype:
        return f"the scale is {op.scale.type.dtype.name}, the numbers are {real.type.dtype.name}"
    if not isinstance(op.scale, Constant):
        return "the scale is computed at run time"
    point = op.zero_point
    if point is not None and not (isinstance(point, Constant) and not _any(point)):
        return f"the zero point is not 0, which TensorRT does not know: {_HOW}"
    if op.block and (stored is not dtypes.i4 or op.x.type.rank != 2):
        return "one scale per block is for 4-bit weights of two axes"
    return None


def _any(point: Constant) -> bool:
    return bool(np.asarray(point.array, np.float32).any())


@TENSORRT.rule(Quantize)
def quantize(op: Quantize, w: Writer) -> Tensor:
    layer = w.net.add_quantize(w[op.x], _scale(op.scale, w), w.dtype(op.to))
    return _along(op, layer)


@TENSORRT.rule(Dequantize)
def dequantize(op: Dequantize, w: Writer) -> Tensor:
    """In blocks that do not divide the axis, as the floats at once: there is no such layer."""
    if op.block and _is_ragged(op):
        floats = known_array(op.result)
        assert floats is not None, "4-bit integers are constants"
        return w.const(floats)
    layer = w.net.add_dequantize(w[op.x], _scale(op.scale, w), w.dtype(op.to))
    return _along(op, layer)


def _is_ragged(op: Dequantize) -> bool:
    size = op.x.type.dims[op.axis]
    return not isinstance(size, int) or bool(size % op.block)


def _scale(scale: Value, w: Writer) -> Tensor:
    assert isinstance(scale, Constant), "the limit says so"
    return w.const(scale.array.reshape(())) if is_per_tensor(scale) else w[scale]


def _along(op: Quantize | Dequantize, layer: object) -> Tensor:
    tensor = out(layer)
    if not is_per_tensor(op.scale) and not op.block:
        layer.axis = op.axis  # type: ignore[attr-defined]  # a layer of the late import
    return tensor


def known_array(value: Value) -> Array | None:
    """The numbers of a constant, or of one that is stored in integers; None when computed."""
    if isinstance(value, Constant):
        return value.array
    op = value.producer
    if not isinstance(op, Dequantize):
        return None
    if not all(isinstance(operand, Constant) for operand in op.present_operands):
        return None
    b = Builder("weights")
    found = run(b.output(w=b.add(op.copy()).result), [])
    return found["w"]
