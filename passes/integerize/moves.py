"""Ops that copy, cut, join or compare elements: on integers they are what they are on floats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgec.ir import Constant, Op, TensorType, Value, dtypes
from edgec.ir.ops import (
    Concat,
    DepthToSpace,
    Expand,
    Gather,
    GatherElements,
    GatherNd,
    Maximum,
    MaxPool,
    Minimum,
    Pad,
    ReduceMax,
    ReduceMin,
    Reshape,
    ReverseSequence,
    Slice,
    SpaceToDepth,
    Split,
    Tile,
    Transpose,
)
from edgec.passes.integerize.site import Site
from edgec.passes.integerize.table import INTEGERIZE, Answer

FLOAT_OPERAND = "an operand is not quantized"


@INTEGERIZE.rule(
    Reshape, Transpose, Slice, Split, Expand, Tile, Gather, GatherElements, GatherNd, DepthToSpace,
    SpaceToDepth, ReverseSequence, ReduceMax, ReduceMin,
)  # fmt: skip
def move(op: Op, site: Site) -> Answer:
    x = site.integer(op.operands[0])
    if x is None:
        return FLOAT_OPERAND
    return copied(op, site, (x, *op.operands[1:]))


@INTEGERIZE.rule(MaxPool)
def max_pool(op: MaxPool, site: Site) -> Answer:
    x = site.integer(op.x)
    if x is None:
        return FLOAT_OPERAND
    if op.indices:
        return "it also gives positions"
    return copied(op, site, (x,))


@INTEGERIZE.rule(Pad)
def pad(op: Pad, site: Site) -> Answer:
    x = site.integer(op.x)
    if x is None or x.type.quant is None:
        return FLOAT_OPERAND
    if op.mode != "constant":
        return copied(op, site, (x, op.pads, None))
    if not (op.value is None or (isinstance(op.value, Constant) and not op.value.array.any())):
        return "it pads with another number than 0"
    point = np.array(x.type.quant.zero_point[0], np.int8)
    zero = Constant(point, hint="zero_point", type=TensorType(dtypes.i8, (), x.type.quant))
    return copied(op, site, (x, op.pads, zero))


@INTEGERIZE.rule(Concat, Maximum, Minimum)
def joined(op: Op, site: Site) -> Answer:
    """All operands on the grid of the result, or of each other."""
    found = [site.integer(value) for value in op.operands]
    values = [value for value in found if value is not None]
    if len(values) < len(found) or not values:
        return FLOAT_OPERAND
    wanted = site.grid or values[0].type.quant
    if wanted is None or (site.grid is None and any(v.type.quant != wanted for v in values)):
        return "operands on several grids are joined, and the result is read as floats"
    return copied(op, site, [site.requantized(value, wanted) for value in values])


def copied(op: Op, site: Site, operands: Sequence[Value | None]) -> Sequence[Value]:
    return site.rw.add(op.copy(operands=operands)).results
