"""Between real numbers and the small integers that stand for them."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array, Constant, Quant, Return, Value, dtypes
from edgec.ir.ops import Dequantize, Quantize
from edgec.ir.ops.quant import is_per_tensor
from edgec.lowering.tflite.legalize import binary
from edgec.lowering.tflite.shapes import cropped, reshaped, transposed
from edgec.lowering.tflite.table import TFLITE, Unwritable
from edgec.lowering.tflite.tensors import Operator, Tensor
from edgec.lowering.tflite.writer import Writer

STORED = (dtypes.i8, dtypes.u8)
WIDENED = (dtypes.i4, *STORED)  # what DEQUANTIZE reads


@TFLITE.rule(Quantize)
def quantize(op: Quantize, w: Writer) -> Tensor:
    x = w[op.x]
    if op.to not in STORED:
        raise Unwritable(f"QUANTIZE makes i8 and u8 here, found {op.to.name}")
    quant = quant_of(op, op.to)
    made = Tensor(op.to, x.dims, quant=quant)
    w.place(Operator("QUANTIZE", [x], [made], {}, 1))
    return made


@TFLITE.rule(Dequantize)
def dequantize(op: Dequantize, w: Writer) -> Tensor:
    x = w[op.x]
    if x.dtype not in WIDENED or not _constant(op.scale, op.zero_point):
        return _by_arithmetic(op, x, w)
    # XNNPACK folds such a constant into its readers, and fails where there are none.
    leaves = any(isinstance(user, Return) for user in op.result.users)
    if leaves and x.array is not None:
        return _by_arithmetic(op, x, w)
    if op.block and x.array is not None:
        return _of_blocks(op, x.array, w)
    if not op.block:
        quant = quant_of(op, x.dtype)
        if x.array is not None:
            x = Tensor(x.dtype, x.dims, x.array, x.name, quant=quant)
        if x.quant == quant and _kernel_takes(quant, x):
            return w.op("DEQUANTIZE", x, dtype=dtypes.f32)
    return _by_arithmetic(op, x, w)


def _kernel_takes(quant: Quant, x: Tensor) -> bool:
    return quant.axis is None or x.dtype in (dtypes.i4, dtypes.i8)


def _of_blocks(op: Dequantize, array: Array, w: Writer) -> Tensor:
    """Each block is a row, with a scale of its own along axis 0; the rows then become x again."""
    axis = op.axis % array.ndim
    last = np.moveaxis(array, axis, -1)
    size = last.shape[-1]
    blocks = -(-size // op.block)
    padding = [(0, 0)] * (array.ndim - 1) + [(0, blocks * op.block - size)]
    rows = np.pad(last, padding).reshape(-1, op.block)
    scale = _per_row(op.scale, axis)
    points = np.zeros(len(rows)) if op.zero_point is None else _per_row(op.zero_point, axis)
    low, high = (int(limit) for limit in op.x.type.dtype.limits)
    quant = Quant(tuple(map(float, scale)), tuple(map(int, points)), 0, low, high)
    stored = Tensor(op.x.type.dtype, rows.shape, rows, op.x.hint, quant=quant)
    y = w.op("DEQUANTIZE", stored, dtype=dtypes.f32)
    y = reshaped(y, (*last.shape[:-1], blocks * op.block), w)
    y = cropped(y, (0,) * array.ndim, last.shape, w)
    return transposed(y, np.argsort([*np.delete(np.arange(array.ndim), axis), axis]).tolist(), w)


def _per_row(parameter: Value, axis: int) -> Array:
    assert isinstance(parameter, Constant)
    found: Array = np.moveaxis(parameter.array, axis, -1).reshape(-1)
    return found


def _constant(*values: Value | None) -> bool:
    return all(value is None or isinstance(value, Constant) for value in values)


def quant_of(op: Quantize | Dequantize, dtype: dtypes.DType) -> Quant:
    """The parameters of a tensor. Raises Unwritable where TensorFlow Lite has none such."""
    if op.block:
        raise Unwritable("TensorFlow Lite has no scales per block")
    if not isinstance(op.scale, Constant) or not _constant(op.zero_point):
        raise Unwritable("scales are computed at run time")
    scale = op.scale.array.astype(np.float32).reshape(-1)
    points = np.zeros(scale.size, np.int64)
    if isinstance(op.zero_point, Constant):
        points = np.broadcast_to(op.zero_point.array.astype(np.int64).reshape(-1), scale.shape)
    low, high = (int(limit) for limit in dtype.limits)
    axis = None if is_per_tensor(op.scale) else op.axis
    return Quant(tuple(map(float, scale)), tuple(map(int, points)), axis, low, high)


def _by_arithmetic(op: Dequantize, x: Tensor, w: Writer) -> Tensor:
    """(x - zero_point) * scale, in float32."""
    if op.block:
        raise Unwritable("TensorFlow Lite has no scales per block of what is computed")
    if x.dtype not in (*STORED, dtypes.i16, dtypes.i32):
        raise Unwritable(f"TensorFlow Lite computes on no {x.dtype.name}")
    wide = w.cast(x, dtypes.i32)
    if op.zero_point is not None:
        point = w.cast(w[op.zero_point], dtypes.i32)
        wide = binary("SUB", wide, _along(point, op, x.rank, w), w)
    return binary("MUL", w.cast(wide, dtypes.f32), _along(w[op.scale], op, x.rank, w), w)


def _along(parameter: Tensor, op: Dequantize, rank: int, w: Writer) -> Tensor:
    """One number per slice of the axis."""
    if is_per_tensor(op.scale):
        return reshaped(parameter, (), w)
    return reshaped(parameter, (*parameter.dims, *(1,) * (rank - op.axis - 1)), w)
