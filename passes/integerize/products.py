"""Convolutions and matrix products: integer weights, i32 biases."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from edgec.ir import Array, Constant, Op, Quant, TensorType, Value, dtypes
from edgec.ir.ops import (
    Conv,
    ConvTranspose,
    Dequantize,
    IntegerConv,
    IntegerConvTranspose,
    IntegerLinear,
    IntegerMatMul,
    MatMul,
)
from edgec.ir.ops.integer import HIGHEST, LOWEST
from edgec.passes.integerize.moves import FLOAT_OPERAND
from edgec.passes.integerize.site import CLAMPS, Site, as_i8
from edgec.passes.integerize.table import INTEGERIZE, Answer

FLOAT_RESULT = "its result is read as floats"


class Weights(NamedTuple):
    """Symmetric i8 weights, output channels first, with their scales (one, or one a channel)."""

    integers: Array
    scales: tuple[float, ...]

    def constant(self, hint: str) -> Constant:
        """With the grid in the type."""
        axis = None if len(self.scales) == 1 else 0
        quant = Quant(self.scales, (0,) * len(self.scales), axis, LOWEST, HIGHEST)
        array = np.ascontiguousarray(self.integers)
        return Constant(array, hint=hint, type=TensorType(dtypes.i8, array.shape, quant))


@INTEGERIZE.rule(Conv)
def conv(op: Conv, site: Site) -> Answer:
    found = _operands(op, op.x, op.w, 0, site)
    if isinstance(found, str):
        return found
    x, weights = found
    bias = _bias(op.bias, x, weights)
    if isinstance(bias, str):
        return bias
    changes = {
        name: op.attribute(name)
        for name in ("stride", "pads", "dilation", "groups", "auto_pad", "layout")
    }
    return _made(site, IntegerConv, x, weights.constant(op.w.hint), bias, **changes)


@INTEGERIZE.rule(ConvTranspose)
def conv_transpose(op: ConvTranspose, site: Site) -> Answer:
    found = _operands(op, op.x, op.w, 1, site)
    if isinstance(found, str):
        return found
    if op.groups != 1 or any(step != 1 for step in op.dilation):
        return "a transposed convolution on integers has one group and no dilation"
    x, weights = found
    bias = _bias(op.bias, x, weights)
    if isinstance(bias, str):
        return bias
    changes = {name: op.attribute(name) for name in ("stride", "pads", "output_padding", "layout")}
    return _made(site, IntegerConvTranspose, x, weights.constant(op.w.hint), bias, **changes)


@INTEGERIZE.rule(MatMul)
def matmul(op: MatMul, site: Site) -> Answer:
    if op.alpha != 1:
        return "the product is scaled by alpha"
    if _stored(op.b) is None or op.b.type.rank != 2:
        return _product_of_two(op, site)
    if op.transpose_a:
        return "the left operand is transposed"
    found = _operands(op, op.a, op.b, 0 if op.transpose_b else 1, site)
    if isinstance(found, str):
        return found
    a, weights = found
    bias = _bias(op.bias, a, weights)
    if isinstance(bias, str):
        return bias
    return _made(site, IntegerLinear, a, weights.constant(op.b.hint), bias)


def _product_of_two(op: MatMul, site: Site) -> Answer:
    a, b = site.integer(op.a), site.integer(op.b)
    if a is None or b is None:
        return FLOAT_OPERAND
    if op.bias is not None or site.act != "none":
        return "a product of two values takes no bias and no activation"
    if site.grid is None:
        return FLOAT_RESULT
    return site.add(
        IntegerMatMul(
            a, b, scale=site.grid.scale[0], zero_point=site.grid.zero_point[0],
            transpose_a=op.transpose_a, transpose_b=op.transpose_b,
        )
    )  # fmt: skip


def _operands(op: Op, x: Value, w: Value, axis: int, site: Site) -> tuple[Value, Weights] | str:
    """The integers of both; ``axis`` of w is that of the output channels."""
    integers = site.integer(x)
    if integers is None:
        return FLOAT_OPERAND
    if site.grid is None:
        return FLOAT_RESULT
    if site.act not in CLAMPS:
        return f"{site.act} is no clamp"
    weights = _weights(w, axis)
    return weights if isinstance(weights, str) else (integers, weights)


def _stored(w: Value) -> Dequantize | None:
    """What reads weights from constant integers."""
    producer = w.producer
    if isinstance(producer, Dequantize) and isinstance(producer.x, Constant):
        return producer
    return None


def _weights(w: Value, axis: int) -> Weights | str:
    read = _stored(w)
    if read is None:
        return "the weights are not quantized constants"
    stored, scale, point = read.x, read.scale, read.zero_point
    assert isinstance(stored, Constant)
    if stored.type.dtype not in (dtypes.i8, dtypes.u8) or read.block:
        return f"the weights are {stored.type.dtype.name}, or have scales per block"
    if not isinstance(scale, Constant) or not (point is None or isinstance(point, Constant)):
        return "the scales of the weights are computed by the model"
    middle = 0 if stored.type.dtype is dtypes.i8 else 128
    if (np.asarray(0 if point is None else point.array, np.int64) != middle).any():
        return "the weights have zero points"
    if scale.array.size > 1 and read.axis != axis:
        return f"the weights have scales along axis {read.axis}, not along output channels"
    scales = tuple(float(s) for s in np.asarray(scale.array, np.float32).reshape(-1))
    return Weights(np.moveaxis(as_i8(stored.array), axis, 0), scales)


def _bias(bias: Value | None, x: Value, weights: Weights) -> Constant | str | None:
    """The bias in steps of the operands' scales."""
    if bias is None:
        return None
    read = bias.producer
    stored = read.x if isinstance(read, Dequantize) else bias
    if not isinstance(stored, Constant):
        return "the bias is computed by the model"
    quant = x.type.quant
    assert quant is not None, "the operand is quantized"
    step = np.float64(quant.scale[0]) * np.asarray(weights.scales, np.float64)
    real = stored.array.astype(np.float64)
    if isinstance(read, Dequantize):
        if not isinstance(read.scale, Constant) or read.zero_point is not None:
            return "the bias has a zero point, or a scale that the model computes"
        real = real * read.scale.array.astype(np.float64)
    integers = np.rint(real.reshape(-1) / step)
    channels = weights.integers.shape[0]
    if integers.size not in (1, channels) or np.abs(integers).max(initial=0) >= 2**31:
        return "the bias does not fit 32 bits per output channel"
    spread = np.broadcast_to(integers, (channels,)).astype(np.int32)
    return Constant(np.ascontiguousarray(spread), hint=stored.hint)


def _made(
    site: Site, cls: type[Op], x: Value, w: Constant, bias: Constant | None, **fields: Any
) -> Value:
    return site.clamped(site.add(cls(x, w, bias, **fields, **site.fields())))
