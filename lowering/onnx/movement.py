"""ONNX ops that move elements."""

from __future__ import annotations

from edgec.ir import Value, known_ints
from edgec.ir.ops import Reshape
from edgec.lowering.onnx.node import READERS, Node
from edgec.lowering.onnx.writer import WRITERS, Writer
