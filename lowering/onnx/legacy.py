"""How operators broadcast before opset 7: one way, and along a stated axis."""

from __future__ import annotations

from edgec.ir import Value
from edgec.ir.ops import Reshape
from edgec.ir.ops.common import normalized_axis
from edgec.lowering.onnx.node import Node, Unsupported


def second_operand(node: Node, x: Value, y: Value) -> Value:
    """``y``, under dims that broadcast to those of ``x`` by numpy's rule: before opset 7 ``axis``
    says at which axis of x those of y begin (at the last ones where it is absent)."""
    if node.opset >= 7 or not node.int("broadcast", 0) or not node.has("axis"):
        return y
    return begun_at(node, x, y, node.int("axis"))


def begun_at(node: Node, x: Value, y: Value, axis: int) -> Value:
    """``y`` with dims of 1 behind its own, so that these begin at that axis of ``x``.

    Raises:
        Unsupported: they reach beyond the last one.
    """
    begin = normalized_axis(axis, x.type.rank)
    behind = x.type.rank - begin - y.type.rank
    if behind < 0:
        raise Unsupported(f"{y.type} does not broadcast to {x.type} from axis {axis} on")
    if behind == 0:
        return y
    return node.add(Reshape(y, to=(*y.type.dims, *(1,) * behind))).result
