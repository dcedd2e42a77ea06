"""ONNX's Einsum."""

from __future__ import annotations

from edgec.ir import Value
from edgec.ir.ops import Einsum
from edgec.lowering.onnx.node import READERS, Node
from edgec.lowering.onnx.typed import typed_node
from edgec.lowering.onnx.writer import WRITERS, Writer


@READERS.rule("Einsum")
def read_einsum(node: Node) -> Value:
    return node.add(Einsum(tuple(node.present()), equation=node.string("equation"))).result


@WRITERS.rule(Einsum)
def write_einsum(op: Einsum, w: Writer) -> None:
    typed_node(w, "Einsum", op.xs, op.result, equation=op.equation)
