"""Ops in TFLite's integer arithmetic, which OpenVINO does not have."""

from __future__ import annotations

from edgec.ir.ops import (
    IntegerAdd,
    IntegerAvgPool,
    IntegerConv,
    IntegerConvTranspose,
    IntegerDequantize,
    IntegerHardSwish,
    IntegerLeakyRelu,
    IntegerLinear,
    IntegerLookup,
    IntegerMatMul,
    IntegerMean,
    IntegerMul,
    IntegerQuantize,
    IntegerRequantize,
    IntegerResize,
    IntegerSoftmax,
    IntegerSub,
)
from edgec.lowering.openvino.table import OPENVINO

OPENVINO.refuse(
    IntegerAdd,
    IntegerAvgPool,
    IntegerConv,
    IntegerConvTranspose,
    IntegerDequantize,
    IntegerHardSwish,
    IntegerLeakyRelu,
    IntegerLinear,
    IntegerLookup,
    IntegerMatMul,
    IntegerMean,
    IntegerMul,
    IntegerQuantize,
    IntegerRequantize,
    IntegerResize,
    IntegerSoftmax,
    IntegerSub,
    why="OpenVINO has no operator with the rounding of TFLite's integers",
    instead="write the graph as it was before integerize, with quantize and dequantize around "
    "float ops",
)
