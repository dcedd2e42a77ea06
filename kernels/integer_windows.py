"""Kernels of averages and interpolation of quantized integers, bit by bit as LiteRT's reference
kernels."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array
from edgec.ir.ops import IntegerAvgPool, IntegerResize
from edgec.kernels.integer_fixed_point import bounds
from edgec.kernels.integer_products import channels_last, placed, window_counts
from edgec.kernels.table import KERNELS

_BITS = 10  # of a position below one sample


@KERNELS.rule(IntegerAvgPool)
def avg_pool(op: IntegerAvgPool, x: Array) -> Array:
    """The mean of the integers themselves: operand and result have one grid."""
    from edgec.kernels.loops.integer_pool import averages

    source = np.ascontiguousarray(channels_last(x, op.layout))
    sizes, window = source.shape[1:-1], op.window
    begin, end = window.padding(sizes)
    counts = window_counts(window, sizes, begin, end)
    y = np.empty((x.shape[0], *counts, source.shape[-1]), np.int8)
    missing = 3 - len(counts)
    ones, zeros = (1,) * missing, (0,) * missing
    dims = np.array(
        [(*ones, *sizes), (*ones, *window.strides), (*ones, *counts)], np.int64
    ).T.copy()  # fmt: skip
    quant = op.x.type.quant
    assert quant is not None, "the op has been checked"
    ends = np.array((*bounds(op.activation, quant), source.shape[-1]), np.int64)
    starts = np.array((*zeros, *begin), np.int64)
    kernel = np.array((*ones, *op.kernel), np.int64)
    for image, result in zip(source, y, strict=True):
        averages(image.reshape(-1), dims, starts, kernel, ends, result.reshape(-1))
    return placed(y, op.layout)


@KERNELS.rule(IntegerResize)
def resize(op: IntegerResize, x: Array) -> Array:
    """Weights of 10 bits along each axis, sums of 20, halves away from zero."""
    source = channels_last(x, op.layout).astype(np.int32)
    (top, bottom, down), (left, right, across) = (
        _neighbours(op.coordinates, before, after)
        for before, after in zip(source.shape[1:-1], op.sizes, strict=True)
    )
    one = np.int32(1 << _BITS)
    down, across = down[:, None, None], across[:, None]
    rows = source[:, top] * (one - down) + source[:, bottom] * down
    total = rows[:, :, left] * (one - across) + rows[:, :, right] * across
    half = np.int32(1 << (2 * _BITS - 1))
    rounded = np.abs(total) + half >> 2 * _BITS
    return placed((np.sign(total) * rounded).astype(np.int8), op.layout)


def _neighbours(coordinates: str, before: int, after: int) -> tuple[Array, Array, Array]:
    """The two samples between which each output lies, and how far it is from the first in 2^-10."""
    aligned = coordinates == "align_corners" and after > 1
    given, wanted = (before - 1, after - 1) if aligned else (before, after)
    scale = ((given << _BITS) + wanted // 2) // wanted
    position = np.arange(after, dtype=np.int64) * scale
    if coordinates == "half_pixel":
        position += scale // 2 - (1 << (_BITS - 1))
    first = np.maximum(_truncated(position), 0)
    second = np.minimum(_truncated(position + (1 << _BITS) - 1), before - 1)
    return first, second, (position - (first << _BITS)).astype(np.int32)


def _truncated(position: Array) -> Array:
    return np.where(position < 0, -(-position >> _BITS), position >> _BITS)
