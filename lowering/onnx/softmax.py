"""ONNX's Softmax, LogSoftmax and Hardmax."""

from __future__ import annotations

import math
from collections.abc import Mapping

from edgec.ir import Dim, Value
from edgec.ir.ops import DimsOf, Hardmax, LogSoftmax, Reshape, Softmax, SoftmaxLike, expressible
from edgec.ir.ops.common import normalized_axis
from edgec.lowering.onnx.node import READERS, Node
from edgec.lowering.onnx.typed import typed_node
from edgec.lowering.onnx.writer import WRITERS, Writer

CLASSES: Mapping[str, type[SoftmaxLike]] = {
    "Softmax": Softmax,
    "LogSoftmax": LogSoftmax,
    "Hardmax": Hardmax,
}
NAMES = {cls: name for name, cls in CLASSES.items()}


@READERS.rule(*CLASSES)
def read_softmax(node: Node) -> Value:
    """Along one axis since opset 13, over all axes from ``axis`` on before."""
    x, cls = node.input(0), CLASSES[node.op_type]
    if node.opset >= 13:
        axis = normalized_axis(node.int("axis", -1), x.type.rank)
        return node.add(cls(x, axis=axis)).result
    axis = normalized_axis(node.int("axis", 1), max(x.type.rank, 2))
    varying = [k for k in range(axis, x.type.rank) if x.type.dims[k] != 1]
    if axis < x.type.rank and len(varying) <= 1:
        return node.add(cls(x, axis=varying[0] if varying else axis)).result
    return _flattened(node, x, axis, cls)


def _flattened(node: Node, x: Value, axis: int, cls: type[SoftmaxLike]) -> Value:
    """The axes from ``axis`` on become one, and come back after."""
    dims = x.type.dims
    flat: tuple[Dim, ...] = (*dims[:axis], math.prod(dims[axis:], start=1))
    merged = node.add(Reshape(x, to=flat)).result
    y = node.add(cls(merged, axis=axis)).result
    if expressible(flat, dims):
        return node.add(Reshape(y, to=dims)).result
    return node.add(Reshape(y, shape=node.add(DimsOf(x)).result)).result


@WRITERS.rule(*NAMES)
def write_softmax(op: SoftmaxLike, w: Writer) -> None:
    axis = None if op.axis == op.x.type.rank - 1 else op.axis
    typed_node(w, NAMES[type(op)], [op.x], op.result, axis=axis)
