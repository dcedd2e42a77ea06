"""ONNX activations."""

from __future__ import annotations

from edgec.ir import Value
from edgec.ir.ops import Relu
from edgec.lowering.onnx.node import READERS, Node
from edgec.lowering.onnx.writer import WRITERS, Writer


@READERS.rule("Relu")
def read_relu(node: Node) -> Value:
    return node.add(Relu(node.input(0))).result


@WRITERS.rule(Relu)
def write_relu(op: Relu, w: Writer) -> None:
    w.node("Relu", [op.x], op.results)
