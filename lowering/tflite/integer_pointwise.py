"""Functions of single quantized integers, and softmax."""

from __future__ import annotations

from edgec.ir.ops import IntegerHardSwish, IntegerLeakyRelu, IntegerLookup, IntegerSoftmax
from edgec.lowering.tflite.shapes import transposed
from edgec.lowering.tflite.table import TFLITE
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer

LOOKUPS = {"sigmoid": "LOGISTIC", "tanh": "TANH", "exp": "EXP", "elu": "ELU"}


@TFLITE.rule(IntegerLookup)
def lookup(op: IntegerLookup, w: Writer) -> Tensor:
    x = w[op.x]
    if op.function in LOOKUPS:
        return w.op(LOOKUPS[op.function], x, quant=op.grid)
    return w.op("GELU", x, quant=op.grid, approximate=op.function == "gelu_tanh")


@TFLITE.rule(IntegerHardSwish)
def hard_swish(op: IntegerHardSwish, w: Writer) -> Tensor:
    return w.op("HARD_SWISH", w[op.x], quant=op.grid)


@TFLITE.rule(IntegerLeakyRelu)
def leaky_relu(op: IntegerLeakyRelu, w: Writer) -> Tensor:
    return w.op("LEAKY_RELU", w[op.x], quant=op.grid, alpha=op.alpha)


@TFLITE.rule(IntegerSoftmax)
def softmax(op: IntegerSoftmax, w: Writer) -> Tensor:
    perm = list(range(op.x.type.rank))
    perm[op.axis], perm[-1] = perm[-1], perm[op.axis]
    y = w.op("SOFTMAX", transposed(w[op.x], perm, w), quant=op.grid, beta=op.beta)
    return transposed(y, perm, w)
