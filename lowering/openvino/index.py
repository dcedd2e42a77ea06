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
from edgec.lowering.openvino.table import OPENVINO, Output, limit
from edgec.lowering.openvino.writer import Writer

REDUCTIONS = {"none": "none", "add": "sum", "mul": "prod", "min": "min", "max": "max"}


@OPENVINO.rule(Gather)
def gather(op: Gather, w: Writer) -> Output:
    return w.ops.gather(w[op.x], w[op.indices], w.const(op.axis, dtypes.i64))


@limit(GatherElements)
def gather_elements_limit(op: GatherElements) -> str | None:
    if not _shorter_axes(op) or (op.x.type.is_static and op.indices.type.is_static):
        return None
    return f"indices {op.indices.type} may be of other dims than x, which is {op.x.type}"


def _shorter_axes(op: GatherElements) -> list[int]:
    """Axes, but that of the op, along which x has other dims than the indices."""
    pairs = zip(op.x.type.dims, op.indices.type.dims, strict=True)
    return [i for i, (own, chosen) in enumerate(pairs) if own != chosen and i != op.axis]


@OPENVINO.rule(GatherElements)
def gather_elements(op: GatherElements, w: Writer) -> Output:
    """The operator wants the same dims but along the axis: indices are padded, the result is cut.
    (A cut of x instead is removed by the plugin, which then refuses the model.)"""
    axes = _shorter_axes(op)
    if not axes:
        return w.ops.gather_elements(w[op.x], w[op.indices], op.axis)
    pairs = zip(op.x.type.dims, op.indices.type.dims, strict=True)
    missing = [
        own - chosen if isinstance(own, int) and isinstance(chosen, int) and i in axes else 0
        for i, (own, chosen) in enumerate(pairs)
    ]
    nothing, zero = w.ints([0] * len(missing)), w.like(0, op.indices)
    indices = w.ops.pad(w[op.indices], nothing, w.ints(missing), "constant", zero)
    y = w.ops.gather_elements(w[op.x], indices, op.axis)
    sizes = [dim for dim in op.indices.type.dims if isinstance(dim, int)]
    return w.ops.slice(y, nothing, w.ints(sizes), w.ints([1] * len(sizes)))


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
