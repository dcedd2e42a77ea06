"""Ops that read and write elements at positions that an operand gives."""

from __future__ import annotations

from edgec.ir import dtypes
from edgec.ir.ops import (
    Gather,
    GatherElements,
    GatherNd,
    ScatterElements,
    ScatterNd,
    TensorScatter,
)
from edgec.lowering.openvino.table import OPENVINO, Output
from edgec.lowering.openvino.writer import Writer

REDUCTIONS = {"none": "none", "add": "sum", "mul": "prod", "min": "min", "max": "max"}


@OPENVINO.rule(Gather)
def gather(op: Gather, w: Writer) -> Output:
    return w.ops.gather(w[op.x], w[op.indices], w.const(op.axis, dtypes.i64))


@OPENVINO.rule(GatherElements)
def gather_elements(op: GatherElements, w: Writer) -> Output:
    return w.ops.gather_elements(w[op.x], w[op.indices], op.axis)


@OPENVINO.rule(GatherNd)
def gather_nd(op: GatherNd, w: Writer) -> Output:
    return w.ops.gather_nd(w[op.x], w[op.indices], op.batch_dims)


@OPENVINO.rule(ScatterElements)
def scatter_elements(op: ScatterElements, w: Writer) -> Output:
    axis = w.const(op.axis, dtypes.i64)
    operands = [w[value] for value in (op.x, op.indices, op.updates)]
    return w.ops.scatter_elements_update(*operands, axis, REDUCTIONS[op.reduction])


@OPENVINO.rule(ScatterNd)
def scatter_nd(op: ScatterNd, w: Writer) -> Output:
    operands = [w[value] for value in (op.x, op.indices, op.updates)]
    return w.ops.scatter_nd_update(*operands, REDUCTIONS[op.reduction])


OPENVINO.refuse(
    TensorScatter,
    why="OpenVINO writes no run of slices at a place of its own for each batch entry",
    instead="scatter_nd with computed positions",
)
