"""Scales that a model brings along and that integers cannot work with.

Weights on a scale of 0, or below the normal float32 numbers, are all 0: they become the integers of
0 on a scale that is none of these. A value on such a scale is given the smallest normal one.
"""

from __future__ import annotations

import numpy as np

from edgec.ir import Array, Constant, Graph, Rewriter
from edgec.ir.ops import Dequantize, Quantize
from edgec.passes.quantize.grids import SMALLEST_SCALE

_SCALE_OF_ZEROS = np.float32(1 / 127)


def repair_scales(graph: Graph) -> int:
    """Returns how many ops had scales that were replaced."""
    repaired = 0
    for op in tuple(graph.walk):
        if not isinstance(op, Quantize | Dequantize) or not isinstance(op.scale, Constant):
            continue
        scale = op.scale.array
        tiny = (scale >= 0) & (scale < SMALLEST_SCALE)
        if scale.dtype != np.float32 or op.block or not np.any(tiny):
            continue
        _repair(op, scale, tiny)
        repaired += 1
    return repaired


def _repair(op: Quantize | Dequantize, scale: Array, tiny: Array) -> None:
    assert op.graph is not None
    rw = Rewriter(op.graph)
    if isinstance(op, Dequantize) and isinstance(op.x, Constant):
        point = op.zero_point.array if isinstance(op.zero_point, Constant) else np.int8(0)
        dims = [1] * op.x.type.rank
        if scale.size > 1:
            dims[op.axis] = -1
        zeros = np.where(tiny.reshape(dims), _along(point, dims), op.x.array)
        others = scale[~tiny]
        usual = others.max() if others.size else _SCALE_OF_ZEROS
        rw.set_operand(op, 0, Constant(zeros.astype(op.x.array.dtype), hint=op.x.hint))
    else:
        usual = np.float32(SMALLEST_SCALE)
    made = np.where(tiny, usual, scale).astype(np.float32)
    rw.set_operand(op, 1, Constant(made, hint=op.scale.hint))


def _along(point: Array | np.int8, dims: list[int]) -> Array:
    return np.asarray(point).reshape(dims if np.size(point) > 1 else ())
