"""Deformable convolution over one to three spatial axes: sampled columns, then a product."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgec.kernels.jit import flat_input, jit
from edgec.kernels.loops.windows import ScratchAlloc

Array = NDArray[Any]


def deform_conv(
    x: Array,
    w: Array,
    offset: Array,
    bias: Array | None,
    mask: Array | None,
    strides: Sequence[int],
    pads_begin: Sequence[int],
    dilations: Sequence[int],
    groups: int,
    offset_groups: int,
    out: Array,
    scratch: ScratchAlloc,
) -> None:
    """ONNX DeformConv-22: convolution whose taps are moved by ``offset`` and scaled by ``mask``.

    ``x`` is [N, C, *D], ``w`` [O, C / groups, *K], ``offset`` [N, offset_groups * taps * rank, *E],
    ``mask`` [N, offset_groups * taps, *E], ``out`` [N, O, *E]; float32 or float64 throughout.
    Samples between positions are linear, outside ones zero (Dai et al. 2017, Zhu et al. 2018).
    """
    rank, kernel, channels = x.ndim - 2, w.shape[2:], x.shape[1]
    taps = int(np.prod(kernel))
    positions = int(np.prod(out.shape[2:]))
    size = np.array((1,) * (3 - rank) + x.shape[2:], np.int64)
    columns = scratch(channels * taps * positions, x.dtype)
    matrix = w.reshape(groups, w.shape[0] // groups, -1)
    base = _positions(kernel, out.shape[2:], strides, pads_begin, dilations)
    for n in range(x.shape[0]):
        moved = offset[n].reshape(offset_groups, taps, rank, positions) + base
        scale = np.ones((offset_groups, taps, positions), x.dtype)
        if mask is not None:
            scale = mask[n].reshape(scale.shape)
        sample_columns(
            flat_input(x[n]), size, rank, flat_input(moved), flat_input(scale), offset_groups,
            positions, columns,
        )  # fmt: skip
        target = out[n].reshape(groups, -1, positions)
        np.matmul(matrix, columns.reshape(groups, -1, positions), out=target)
        if bias is not None:
            out[n] += bias.reshape(-1, *(1,) * rank)


def _positions(
    kernel: Sequence[int], out_size: Sequence[int], strides: Sequence[int],
    pads_begin: Sequence[int], dilations: Sequence[int],
) -> NDArray[np.float64]:  # fmt: skip
    """Unmoved sampling positions [taps, rank, positions]."""
    starts = np.indices(tuple(out_size)).reshape(len(kernel), -1)
    starts = starts * np.array(strides)[:, None] - np.array(pads_begin)[:, None]
    steps = np.array(list(product(*map(range, kernel)))) * np.array(dilations)
    return np.asarray(starts + steps[:, :, None], np.float64)


@jit
def sample_columns(
    x: Any, size: Any, rank: int, moved: Any, scale: Any, offset_groups: int,
    positions: int, columns: Any,
) -> None:  # fmt: skip
    """``columns[c, tap, position]``: linear samples of every channel, zero outside."""
    volume = size[0] * size[1] * size[2]
    channels = x.shape[0] // volume
    taps = scale.shape[0] // (offset_groups * positions)
    per_group = channels // offset_groups
    for i in range(scale.shape[0]):
        group, tap, position = i // (taps * positions), i // positions % taps, i % positions
        at = (group * taps + tap) * rank * positions + position
        z = moved[at] if rank > 2 else 0.0
        y = moved[at + (rank - 2) * positions] if rank > 1 else 0.0
        column = moved[at + (rank - 1) * positions]
        for c in range(group * per_group, (group + 1) * per_group):
            plane = x[c * volume : (c + 1) * volume]
            value = linear_sample(plane, size, z, y, column)
            columns[(c * taps + tap) * positions + position] = value * scale[i]


@jit
def linear_sample(plane: Any, size: Any, z: float, y: float, x: float) -> float:
    """Trilinear value at (z, y, x); neighbours outside the volume count as zero."""
    total = 0.0
    if not (-1 < z < size[0] and -1 < y < size[1] and -1 < x < size[2]):
        return total
    z0, y0, x0 = int(np.floor(z)), int(np.floor(y)), int(np.floor(x))
    for corner in range(8):
        i, j, k = z0 + corner // 4, y0 + corner // 2 % 2, x0 + corner % 2
        weight = (1 - abs(z - i)) * (1 - abs(y - j)) * (1 - abs(x - k))
        inside = 0 <= i < size[0] and 0 <= j < size[1] and 0 <= k < size[2]
        if inside and weight != 0:
            total += weight * plane[(i * size[1] + j) * size[2] + k]
    return total
