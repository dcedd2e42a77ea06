"""ONNX ops that read and write at positions that an operand gives."""

from __future__ import annotations

import numpy as np

from edgec.ir import Value, dtypes
from edgec.ir.ops import (
    Gather,
    GatherElements,
    GatherNd,
    ScatterElements,
    ScatterNd,
    TensorScatter,
)
from edgec.ir.ops.common import normalized_axis
from edgec.lowering.onnx import index_select as _select  # noqa: F401  (fills the tables)
from edgec.lowering.onnx.node import READERS, Node
from edgec.lowering.onnx.writer import FIRST_OPSETS, WRITERS, CannotWrite, Writer


def _scatter_opset(op: ScatterElements | ScatterNd) -> int:
    return 18 if op.reduction in ("min", "max") else 0


FIRST_OPSETS[ScatterElements] = _scatter_opset
FIRST_OPSETS[ScatterNd] = _scatter_opset


@READERS.rule("Gather")
def read_gather(node: Node) -> Value:
    x = node.input(0)
    axis = normalized_axis(node.int("axis", 0), x.type.rank)
    return node.add(Gather(x, node.input(1), axis=axis)).result


@WRITERS.rule(Gather)
def write_gather(op: Gather, w: Writer) -> None:
    w.node("Gather", [op.x, op.indices], op.results, axis=op.axis or None)


@READERS.rule("GatherElements")
def read_gather_elements(node: Node) -> Value:
    x = node.input(0)
    axis = normalized_axis(node.int("axis", 0), x.type.rank)
    return node.add(GatherElements(x, node.input(1), axis=axis)).result


@WRITERS.rule(GatherElements)
def write_gather_elements(op: GatherElements, w: Writer) -> None:
    w.node("GatherElements", [op.x, op.indices], op.results, axis=op.axis or None)


@READERS.rule("GatherND")
def read_gather_nd(node: Node) -> Value:
    batch = node.int("batch_dims", 0)
    return node.add(GatherNd(node.input(0), node.input(1), batch_dims=batch)).result


@WRITERS.rule(GatherNd)
def write_gather_nd(op: GatherNd, w: Writer) -> None:
    w.node("GatherND", [op.x, op.indices], op.results, batch_dims=op.batch_dims or None)


@READERS.rule("ScatterElements", "Scatter")
def read_scatter_elements(node: Node) -> Value:
    x = node.input(0)
    axis = normalized_axis(node.int("axis", 0), x.type.rank)
    reduction = node.string("reduction", "none")
    op = ScatterElements(x, node.input(1), node.input(2), axis=axis, reduction=reduction)
    return node.add(op).result


@WRITERS.rule(ScatterElements)
def write_scatter_elements(op: ScatterElements, w: Writer) -> None:
    reduction = None if op.reduction == "none" else op.reduction
    operands = [op.x, op.indices, op.updates]
    w.node("ScatterElements", operands, op.results, axis=op.axis or None, reduction=reduction)


@READERS.rule("ScatterND")
def read_scatter_nd(node: Node) -> Value:
    reduction = node.string("reduction", "none")
    op = ScatterNd(node.input(0), node.input(1), node.input(2), reduction=reduction)
    return node.add(op).result


@WRITERS.rule(ScatterNd)
def write_scatter_nd(op: ScatterNd, w: Writer) -> None:
    reduction = None if op.reduction == "none" else op.reduction
    w.node("ScatterND", [op.x, op.indices, op.updates], op.results, reduction=reduction)


@READERS.rule("TensorScatter")
def read_tensor_scatter(node: Node) -> Value:
    x = node.input(0)
    axis = normalized_axis(node.int("axis", -2), x.type.rank)
    mode = node.string("mode", "linear")
    op = TensorScatter(x, node.input(1), node.optional(2), axis=axis, mode=mode)
    return node.add(op).result


@WRITERS.rule(TensorScatter)
def write_tensor_scatter(op: TensorScatter, w: Writer) -> None:
    if w.opset < 24:
        _write_scattered_elements(op, w)
        return
    mode = None if op.mode == "linear" else op.mode
    w.node(
        "TensorScatter", [op.x, op.update, op.write_indices], op.results, axis=op.axis, mode=mode
    )


def _write_scattered_elements(op: TensorScatter, w: Writer) -> None:
    """Before opset 24: ScatterElements, with a position for every element of the update."""
    rank, length = op.x.type.rank, op.update.type.dims[op.axis]
    if not isinstance(length, int):
        raise CannotWrite(f"TensorScatter exists since opset 24, found {w.opset}")
    ones = [1] * rank
    shape = [length if i == op.axis else 1 for i in range(rank)]
    steps = w.const(np.arange(length).reshape(shape), dtypes.i64, hint="steps")
    if op.write_indices is not None:
        column, moved = w.temporary("starts"), w.temporary("positions")
        ones[0] = -1
        w.node("Reshape", [op.write_indices, w.ints(ones, "shape")], [column])
        w.node("Add", [column, steps], [moved])
        steps = moved
    if op.mode == "circular":
        total, wrapped = w.temporary("total"), w.temporary("positions")
        w.node("Shape", [op.x], [total], start=op.axis, end=op.axis + 1)
        w.node("Mod", [steps, total], [wrapped])
        steps = wrapped
    dims, positions = w.temporary("dims"), w.temporary("positions")
    w.node("Shape", [op.update], [dims])
    w.node("Expand", [steps, dims], [positions])
    w.node("ScatterElements", [op.x, positions, op.update], op.results, axis=op.axis)
