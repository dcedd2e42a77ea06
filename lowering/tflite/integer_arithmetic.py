"""Arithmetic of quantized integers."""

from __future__ import annotations

from edgec.ir.ops import IntegerAdd, IntegerMean, IntegerMul, IntegerSub
from edgec.lowering.tflite.integer import fused
from edgec.lowering.tflite.legalize import elementwise
from edgec.lowering.tflite.table import TFLITE
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer

NAMES = {IntegerAdd: "ADD", IntegerSub: "SUB", IntegerMul: "MUL"}


@TFLITE.rule(*NAMES)
def binary(op: IntegerAdd | IntegerSub | IntegerMul, w: Writer) -> Tensor:
    return elementwise(
        NAMES[type(op)], (w[op.x], w[op.y]), w, quant=op.grid, **fused(op.activation)
    )


@TFLITE.rule(IntegerMean)
def mean(op: IntegerMean, w: Writer) -> Tensor:
    return w.op("MEAN", w[op.x], w.ints(op.axes), dims=op.result.type.dims, quant=op.grid,
                keep_dims=op.keepdims)  # fmt: skip
