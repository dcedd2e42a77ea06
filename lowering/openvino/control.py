"""Ops that run nested graphs."""

from __future__ import annotations

from edgec.ir.ops import If, Loop, Scan
from edgec.lowering.openvino.table import OPENVINO, Output
from edgec.lowering.openvino.writer import Writer


@OPENVINO.rule(If)
def if_(op: If, w: Writer) -> list[Output]:
    inner = [Writer(outer=w) for _ in op.regions]
    then, other = (writer.model(region) for writer, region in zip(inner, op.regions, strict=True))
    node = w.ops.if_op()  # the constructor with a condition drops one that is computed
    node.set_argument(0, w.ops.reshape(w[op.cond], w.ints([]), False).output(0))
    node.set_then_body(then)
    node.set_else_body(other)
    for value in {**inner[0].captured, **inner[1].captured}:
        node.set_input(w[value], *(writer.captured.get(value) for writer in inner))
    pairs = zip(then.get_results(), other.get_results(), strict=True)
    return [node.set_output(*pair) for pair in pairs]


OPENVINO.refuse(
    Loop,
    Scan,
    why="nested loops are not written for OpenVINO",
    instead="a fixed number of iterations, unrolled by the exporter",
)
