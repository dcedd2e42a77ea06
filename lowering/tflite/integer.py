"""Ops on quantized integers: the ways onto grids and off them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgec.ir import Quant, Value, dtypes
from edgec.ir.ops import IntegerDequantize, IntegerQuantize, IntegerRequantize
from edgec.lowering.tflite.table import TFLITE, Unwritable
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer

# ActivationFunctionType in schema.fbs
ACTIVATIONS = {"none": 0, "relu": 1, "relu_n1_to_1": 2, "relu6": 3}
CLAMPS = {"relu": "RELU", "relu6": "RELU6", "relu_n1_to_1": "RELU_N1_TO_1"}


def fused(activation: str) -> Mapping[str, Any]:
    """The option that carries an activation, none where there is none."""
    code = ACTIVATIONS[activation]
    return {"fused_activation_function": code} if code else {}


def grid_of(value: Value) -> Quant:
    """The grid of a result. Raises Unwritable for a value without one."""
    quant = value.type.quant
    if quant is None:
        raise Unwritable(f"the integers of {value.type} stand for no numbers")
    return quant


def on_grid(x: Tensor, quant: Quant, w: Writer) -> Tensor:
    """x by QUANTIZE; what DEQUANTIZE has read from that grid is taken back."""
    source = x.producer
    if source is not None and source.builtin == "DEQUANTIZE":
        stored = source.operands[0]
        assert stored is not None
        if stored.quant == quant and stored.dtype is dtypes.i8:
            return stored
    return w.op("QUANTIZE", x, dtype=dtypes.i8, quant=quant)


@TFLITE.rule(IntegerQuantize)
def quantize(op: IntegerQuantize, w: Writer) -> Tensor:
    return on_grid(w[op.x], op.grid, w)


@TFLITE.rule(IntegerDequantize)
def dequantize(op: IntegerDequantize, w: Writer) -> Tensor:
    return w.op("DEQUANTIZE", w[op.x], dtype=dtypes.f32)


@TFLITE.rule(IntegerRequantize)
def requantize(op: IntegerRequantize, w: Writer) -> Tensor:
    builtin = CLAMPS.get(op.activation, "QUANTIZE")
    return w.op(builtin, w[op.x], quant=op.grid)
