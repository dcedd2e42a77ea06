"""Ops that write elements at positions that an operand gives."""

from __future__ import annotations

import numpy as np

from edgec.ir import dtypes
from edgec.ir.ops import ScatterElements, ScatterNd, TensorScatter
from edgec.lowering.tflite.index import flat_places, wrapped
from edgec.lowering.tflite.legalize import binary, selected
from edgec.lowering.tflite.shapes import reshaped
from edgec.lowering.tflite.table import PIN, TFLITE, Unwritable, static_dim
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer


@TFLITE.rule(ScatterNd)
def scatter_nd(op: ScatterNd, w: Writer) -> Tensor:
    x = w[op.x]
    depth = static_dim(op.indices.type.dims[-1], "length of a position")
    dims = x.static_dims
    if dims is None:
        raise Unwritable("positions into dims that are not known", PIN)
    places = wrapped(op.indices, dims[:depth], w)
    return _combined(op.reduction, x, places, w[op.updates], w)


@TFLITE.rule(ScatterElements)
def scatter_elements(op: ScatterElements, w: Writer) -> Tensor:
    """As a scatter of single elements into the flattened x."""
    x = w[op.x]
    places = flat_places(op.indices, x, op.axis % x.rank, w)
    assert x.static_dims is not None
    count = int(np.prod(op.indices.type.static_dims or ()))
    flat = reshaped(x, (int(np.prod(x.static_dims)),), w)
    updates = reshaped(w[op.updates], (count,), w)
    y = _combined(op.reduction, flat, reshaped(places, (count, 1), w), updates, w)
    return reshaped(y, x.dims, w)


def _combined(reduction: str, x: Tensor, places: Tensor, updates: Tensor, w: Writer) -> Tensor:
    """SCATTER_ND adds up into zeros: what is replaced is chosen by a second one of ones."""
    if reduction not in ("none", "add"):
        raise Unwritable(f"SCATTER_ND adds only, found reduction {reduction!r}")
    if x.dtype in (dtypes.boolean, dtypes.i16):
        raise Unwritable(f"SCATTER_ND writes no {x.dtype.name}")
    if 0 in updates.dims:
        return w.copy(x)
    assert x.static_dims is not None
    shape = w.ints(x.static_dims)
    sums = w.op("SCATTER_ND", places, updates, shape, dims=x.dims, dtype=x.dtype)
    if reduction == "add":
        return binary("ADD", x, sums, w)
    if updates.static_dims is None:
        raise Unwritable("the number of updates is not known")
    ones = w.const(np.ones(updates.static_dims, np.int32))
    marks = w.op("SCATTER_ND", places, ones, shape, dims=x.dims, dtype=dtypes.i32)
    return selected(w.cast(marks, dtypes.boolean), sums, x, w)


TFLITE.refuse(
    TensorScatter,
    why="no builtin writes a run of slices at a place of its own for each batch entry",
    instead="scatter_nd with computed positions",
)
