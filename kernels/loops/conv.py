"""Convolution over one to three spatial axes, channels first (cross-correlation, zero padding)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgec.kernels.jit import flat_input, scalar
from edgec.kernels.loops.conv_columns import by_columns, pointwise
from edgec.kernels.loops.conv_direct import dense_nine, depthwise
from edgec.kernels.loops.conv_same import depthwise_same, same_planes
from edgec.kernels.loops.windows import ScratchAlloc, Windows, windows

Array = NDArray[Any]
Shape = tuple[int, ...]

# Where the direct loop is the faster one. Narrower outputs drop too many columns at row ends; with
# more inputs the matrix product repays its gathered columns (measured on Zen 4, in us, direct and
# columns: 64 to 64 at 56 x 56 2994 and 3820, 32 to 32 at 14 x 14 106 and 154, 256 to 256 at
# 14 x 14 5085 and 3087).
DIRECT_WIDTH = 14
DIRECT_INPUTS = 128


def conv(
    x: Array,
    w: Array,
    bias: Array | None,
    strides: Sequence[int],
    pads_begin: Sequence[int],
    pads_end: Sequence[int],
    dilations: Sequence[int],
    groups: int,
    lo: float,
    hi: float,
    out: Array,
    scratch: ScratchAlloc,
) -> None:
    """out = clip(conv(x, w) + bias, lo, hi), ONNX Conv-22 with explicit padding.

    ``x`` is [N, C, *D], ``w`` [O, C / groups, *K], ``out`` [N, O, *E], all contiguous and of one
    dtype, float32 or float64, which is also the accumulator. With K terms per output, at most
    K * eps * sum |x * w| away from the exact sum. -inf and inf mean no clip.

    Raises:
        ValueError: the shape of ``out`` does not follow from the others; over 3 spatial axes.
    """
    sliding = (tuple(strides), tuple(pads_begin), tuple(pads_end), tuple(dilations))
    _check(x.shape, w.shape, sliding, groups, out.shape)
    if out.size == 0:
        return
    offsets = np.zeros(out.shape[1], out.dtype) if bias is None else bias
    low, high = scalar(out.dtype, lo), scalar(out.dtype, hi)
    unit = all(v == 1 for v in (*w.shape[2:], *strides))
    if unit and not any(pads_begin) and not any(pads_end):
        pointwise(x, w, offsets, groups, low, high, out)
        return
    layer = (
        x.shape[2:], w.shape[2:], sliding[0], sliding[3], sliding[1], out.shape[2:]
    )  # fmt: skip
    same = same_planes(*layer) if groups == x.shape[1] else None
    if same is not None:
        depthwise_same(x, w, offsets, same, low, high, out, scratch)
        return
    geometry = windows(*layer)
    if groups == x.shape[1]:
        _depthwise(x, w, offsets, geometry, low, high, out, scratch)
    elif geometry.taps.size == 9 and out.shape[-1] >= DIRECT_WIDTH and w.shape[1] <= DIRECT_INPUTS:
        _dense_nine(x, w, offsets, groups, geometry, low, high, out, scratch)
    else:
        by_columns(x, w, offsets, geometry, sliding[3], groups, low, high, out, scratch)


def output_size(size: int, kernel: int, stride: int, begin: int, end: int, dilation: int) -> int:
    """Windows that fit into one padded axis (floor)."""
    return (size + begin + end - dilation * (kernel - 1) - 1) // stride + 1


@lru_cache(maxsize=1024)
def _check(x: Shape, w: Shape, sliding: tuple[Shape, ...], groups: int, out: Shape) -> None:
    """Raises ValueError unless the shapes fit together; remembered, as layers come again."""
    expected = (x[0], w[0], *map(output_size, x[2:], w[2:], *sliding))
    if out != expected:
        raise ValueError(f"conv: out wants shape {expected}, found {out}")
    if w[1] * groups != x[1] or w[0] % groups:
        raise ValueError(f"conv: w {w} does not split x {x} into {groups} groups")


def _depthwise(
    x: Array, w: Array, bias: Array, geometry: Windows, lo: Any, hi: Any, out: Array,
    scratch: ScratchAlloc,
) -> None:  # fmt: skip
    memory = scratch(geometry.plane + geometry.slack + geometry.chunk, x.dtype)
    acc, plane = memory[: geometry.chunk], memory[geometry.chunk :]
    depthwise(
        flat_input(x), flat_input(w), flat_input(bias), x.shape[1], geometry.dims,
        geometry.phases, geometry.taps, geometry.rows, geometry.rows_per_chunk, plane, acc,
        lo, hi, out.reshape(-1),
    )  # fmt: skip


def _dense_nine(
    x: Array, w: Array, bias: Array, groups: int, geometry: Windows, lo: Any, hi: Any,
    out: Array, scratch: ScratchAlloc,
) -> None:  # fmt: skip
    planes = geometry.plane * x.shape[1] + geometry.slack
    memory = scratch(planes + 2 * geometry.chunk, x.dtype)
    acc, space = memory[: 2 * geometry.chunk], memory[2 * geometry.chunk :]
    dense_nine(
        flat_input(x), flat_input(w), flat_input(bias), groups, geometry.dims, geometry.phases,
        geometry.taps, geometry.rows, geometry.rows_per_chunk, geometry.plane, space, acc,
        lo, hi, out.reshape(-1),
    )  # fmt: skip
