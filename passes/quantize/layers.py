"""Reading what a layer computes on integers: its weights by output channel, and what it reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgec.ir import Array, Constant, Grid, Op, QuantScheme, Value
from edgec.ir.ops import Conv, ConvTranspose, Dequantize, MatMul
from edgec.ir.ops.quant import is_per_tensor
from edgec.passes.quantize.existing import grid_in
from edgec.passes.quantize.safety import Inputs, Rows
from edgec.passes.quantize.slots import WEIGHT_SLOT, is_stored_constant

_CLOSE = 1e-5  # relative; runtimes ignore the scale of a bias, tools round it in their own ways


@dataclass(frozen=True)
class StoredWeights:
    """Weights that are stored in integers.

    Attributes:
        rows: the integers less their zero point, [output channels of one group, elements].
        x: the integers that they are multiplied with.
        bias_scales: the scale of the sums, one per output channel, or a 0-d array.
    """

    rows: Rows
    x: Inputs
    bias_scales: Array


def read_weights(op: Op, scheme: QuantScheme) -> StoredWeights | None:
    """What a layer multiplies; None when it does not read integers on known grids."""
    weight, source = op.operands[WEIGHT_SLOT], op.operands[0]
    read = None if source is None else source.producer
    if weight is None or not isinstance(read, Dequantize) or not is_stored_constant(weight):
        return None
    grid = grid_in(read, read.x.type.dtype)
    scales = weight_scales(op, weight)
    if grid is None or scales is None:
        return None
    return StoredWeights(
        stored_rows(op, weight), inputs_of(grid, scheme), np.float32(grid.scale) * scales
    )


def inputs_of(grid: Grid, scheme: QuantScheme) -> Inputs:
    """The integers of a grid as a layer sees them: less the zero point."""
    least, greatest = scheme.bounds
    return Inputs(grid.scale, least - grid.zero_point, greatest - grid.zero_point)


def stored_rows(op: Op, weight: Value) -> Rows:
    """The stored integers less their zero point, one row per output channel."""
    read = weight.producer
    assert isinstance(read, Dequantize)
    assert isinstance(read.x, Constant)
    data = np.moveaxis(read.x.array.astype(np.float64), output_axis(op, read.x), 0)
    rows = data.reshape(data.shape[0], -1)
    if isinstance(read.zero_point, Constant):
        point = read.zero_point.array.astype(np.float64).reshape(-1)
        if point.size in (1, len(rows)):
            rows = rows - point[:, np.newaxis]
    return rows


def output_axis(op: Op, weight: Value) -> int:
    """The axis of the weights along which the output channels lie."""
    if isinstance(op, MatMul):
        return weight.type.rank - (2 if op.transpose_b else 1)
    return 0 if isinstance(op, Conv) else 1


def weight_scales(op: Op, weight: Value) -> Array | None:
    """One scale per element of the bias, or a 0-d array; None when they are not known."""
    read = weight.producer
    if not isinstance(read, Dequantize) or not isinstance(read.scale, Constant) or read.block:
        return None
    scale = read.scale.array.astype(np.float32)
    if is_per_tensor(read.scale):
        return scale.reshape(())
    groups = op.groups if isinstance(op, ConvTranspose) else 1
    return np.tile(scale, groups) if read.axis == output_axis(op, read.x) else None


def has_scale(read: Dequantize, wanted: Array) -> bool:
    """True when a stored bias has the scale of the sum that it is added to."""
    if not isinstance(read.scale, Constant):
        return False
    found = read.scale.array.astype(np.float64)
    if found.size not in (1, wanted.size) and wanted.size != 1:
        return False
    return bool(np.allclose(found, wanted.astype(np.float64), rtol=_CLOSE, atol=0))
