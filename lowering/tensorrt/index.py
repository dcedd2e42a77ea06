"""Ops that read and write elements at positions that an operand gives."""

from __future__ import annotations

import numpy as np

from edgec.ir import Constant, Value
from edgec.ir.ops import Gather, GatherElements, GatherNd, ScatterElements, ScatterNd
from edgec.lowering.tensorrt.layers import out
from edgec.lowering.tensorrt.table import TENSORRT, Tensor, limit
from edgec.lowering.tensorrt.writer import Writer


@TENSORRT.rule(Gather)
def gather(op: Gather, w: Writer) -> Tensor:
    layer = w.net.add_gather_v2(w[op.x], _along(op.indices, op.x, op.axis, w), _mode("DEFAULT", w))
    layer.axis = op.axis % op.x.type.rank
    return out(layer)


@TENSORRT.rule(GatherElements)
def gather_elements(op: GatherElements, w: Writer) -> Tensor:
    layer = w.net.add_gather_v2(w[op.x], _along(op.indices, op.x, op.axis, w), _mode("ELEMENT", w))
    layer.axis = op.axis % op.x.type.rank
    return out(layer)


@TENSORRT.rule(GatherNd)
def gather_nd(op: GatherNd, w: Writer) -> Tensor:
    indices = _tuples(op.indices, op.x, op.batch_dims, w)
    layer = w.net.add_gather_v2(w[op.x], indices, _mode("ND", w))
    layer.num_elementwise_dims = op.batch_dims
    return out(layer)


@limit(ScatterElements, ScatterNd)
def scatter_limit(op: ScatterElements | ScatterNd) -> str | None:
    return None if op.reduction == "none" else f"Scatter overwrites, it does not {op.reduction}"


@TENSORRT.rule(ScatterElements)
def scatter_elements(op: ScatterElements, w: Writer) -> Tensor:
    indices = _along(op.indices, op.x, op.axis, w)
    kind = w.trt.ScatterMode.ELEMENT
    layer = w.net.add_scatter(w[op.x], indices, w[op.updates], kind)
    layer.axis = op.axis % op.x.type.rank
    return out(layer)


@TENSORRT.rule(ScatterNd)
def scatter_nd(op: ScatterNd, w: Writer) -> Tensor:
    indices = _tuples(op.indices, op.x, 0, w)
    return out(w.net.add_scatter(w[op.x], indices, w[op.updates], w.trt.ScatterMode.ND))


def _mode(name: str, w: Writer) -> object:
    return getattr(w.trt.GatherMode, name)


def _along(indices: Value, x: Value, axis: int, w: Writer) -> Tensor:
    """Indices counted from the front."""
    size = x.type.dims[axis]
    if isinstance(indices, Constant):
        if (indices.array >= 0).all():
            return w[indices]
        if isinstance(size, int):
            return w.const(np.where(indices.array < 0, indices.array + size, indices.array))
    length = w.reshape(w.size(w[x], axis), ())
    return _counted_from_front(w[indices], w.cast(length, indices.type.dtype), w)


def _tuples(indices: Value, x: Value, first: int, w: Writer) -> Tensor:
    """Index tuples over the axes of x from ``first`` on, counted from the front."""
    if isinstance(indices, Constant) and (indices.array >= 0).all():
        return w[indices]
    depth = indices.type.dims[-1]
    assert isinstance(depth, int), "the rank of the result follows from it"
    lengths = w.listed(w.sizes(w[x])[first : first + depth])
    return _counted_from_front(w[indices], w.cast(lengths, indices.type.dtype), w)


def _counted_from_front(indices: Tensor, lengths: Tensor, w: Writer) -> Tensor:
    negative = w.binary("LESS", indices, w.like(0, indices))
    return w.select(negative, w.binary("SUM", indices, lengths), indices)
