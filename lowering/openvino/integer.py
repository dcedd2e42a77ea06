"""Ops in TFLite's integer arithmetic, which OpenVINO does not have."""

from __future__ import annotations

from edgec.ir.ops import INTEGER_OPS
from edgec.lowering.openvino.table import OPENVINO

OPENVINO.refuse(
    *INTEGER_OPS,
    why="OpenVINO has no operator with the rounding of TFLite's integers",
    instead="write the graph as it was before integerize, with quantize and dequantize around "
    "float ops",
)
