"""ONNX ops that finish object detection."""

from __future__ import annotations

from edgec.ir import Value
from edgec.ir.ops import Nms
from edgec.lowering.onnx.node import READERS, Node
from edgec.lowering.onnx.writer import WRITERS, Writer


@READERS.rule("NonMaxSuppression")
def read_nms(node: Node) -> Value:
    op = Nms(
        node.input(0),
        node.input(1),
        node.optional(2),
        node.optional(3),
        node.optional(4),
        center_point_box=bool(node.int("center_point_box", 0)),
    )
    return node.add(op).result


@WRITERS.rule(Nms)
def write_nms(op: Nms, w: Writer) -> None:
    center = 1 if op.center_point_box else None
    w.node("NonMaxSuppression", op.operands, op.results, center_point_box=center)
