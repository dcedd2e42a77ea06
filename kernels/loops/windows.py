"""Sliding-window geometry shared by convolution and pooling.

A window op with stride s reads, for a fixed tap, every s-th sample. So each padded input plane is
split into its s phases (samples 0, s, 2s, ... then 1, s+1, ...); inside one phase consecutive
outputs read consecutive samples, and a whole plane of outputs is one flat, vectorizable loop per
tap: ``out[i] += w[tap] * plane[i + offset[tap]]``. The few positions between the end of an output
row and the end of a phase row are computed and dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgec.kernels.jit import jit

Index = NDArray[np.int64]
ScratchAlloc = Callable[[int, "np.dtype[Any]"], NDArray[Any]]

AXES = 3
LANES = 64  # flat loops run over multiples of this: full vectors, four at a time, in f32
CHUNK = 1024  # flat positions per pass: with what they read, they stay in the first-level cache


@dataclass(frozen=True, eq=False)
class Windows:
    """Geometry of one window op, with missing leading spatial axes added as size 1.

    Rows of ``dims``: input size, stride, begin padding, output size, phase size. Rows of
    ``phases``: input position of the first sample along each axis (negative in the padding), then
    the first and the last + 1 sample of a row that lie inside the input.
    """

    dims: Index
    phases: Index
    taps: Index
    plane: int
    volume: int
    out_volume: int
    rows: int
    rows_per_chunk: int

    @property
    def slack(self) -> int:
        """Samples read, and dropped, past the end of the last plane."""
        return int(self.dims[4, 2]) + LANES

    @property
    def chunk(self) -> int:
        """Flat positions of the largest chunk, rounded up to full lanes."""
        positions = self.rows_per_chunk * int(self.dims[4, 2])
        return -(-positions // LANES) * LANES


def _three(values: Sequence[int], missing: int) -> tuple[int, ...]:
    return (missing,) * (AXES - len(values)) + tuple(values)


def valid_range(shift: int, stride: int, width: int, count: int) -> tuple[int, int]:
    """The j in ``0 .. count`` for which ``0 <= j * stride + shift < width``."""
    first = max(0, -(shift // stride))
    return first, max(first, min(count, (width - 1 - shift) // stride + 1))


def _phase_row(
    phase: tuple[int, ...], size: tuple[int, ...], stride: tuple[int, ...],
    pad: tuple[int, ...], columns: int,
) -> tuple[int, ...]:  # fmt: skip
    z, y, x = (f - p for f, p in zip(phase, pad, strict=True))
    first, last = valid_range(x, stride[2], size[2], columns)
    return z, y, x, min(first, last), last


@lru_cache(maxsize=4096)
def windows(
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
    pads_begin: tuple[int, ...],
    out_size: tuple[int, ...],
) -> Windows:
    """Geometry of windows over one, two or three spatial axes.

    Raises:
        ValueError: more than three spatial axes.
    """
    if len(size) > AXES:
        raise ValueError(f"window loops cover 1 to {AXES} spatial axes, found {len(size)}")
    size, out = _three(size, 1), _three(out_size, 1)
    kernel, stride = _three(kernel, 1), _three(strides, 1)
    dilation, pad = _three(dilations, 1), _three(pads_begin, 0)
    reach = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
    phase_size = [o + r // s for o, r, s in zip(out, reach, stride, strict=True)]
    volume = prod(phase_size)

    used = [
        sorted({t * d % s for t in range(k)})
        for k, d, s in zip(kernel, dilation, stride, strict=True)
    ]
    index = {phase: i for i, phase in enumerate(product(*used))}
    taps = []
    for tap in product(*map(range, kernel)):
        position = [t * d for t, d in zip(tap, dilation, strict=True)]
        phase = tuple(p % s for p, s in zip(position, stride, strict=True))
        z, y, x = (p // s for p, s in zip(position, stride, strict=True))
        taps.append(index[phase] * volume + (z * phase_size[1] + y) * phase_size[2] + x)

    dims = size, stride, pad, out, phase_size
    rows = (out[0] - 1) * phase_size[1] + out[1]
    return Windows(
        dims=np.array(dims, np.int64),
        phases=np.array([_phase_row(phase, *dims[:3], phase_size[2]) for phase in index]),
        taps=np.array(taps, np.int64),
        plane=len(index) * volume,
        volume=prod(size),
        out_volume=prod(out),
        rows=rows,
        rows_per_chunk=max(1, min(rows, CHUNK // phase_size[2])),
    )


@jit
def full_lanes(count: int) -> int:
    """``count`` rounded up to whole vectors."""
    return (count + LANES - 1) // LANES * LANES


@jit
def load_plane(x: Any, dims: Any, phases: Any, plane: Any) -> None:
    """Copy one input plane into its phases; the padding around it was filled beforehand."""
    height, width = dims[0, 1], dims[0, 2]
    rows, columns = dims[4, 1], dims[4, 2]
    stride = dims[1, 2]
    at = 0
    for f in range(phases.shape[0]):
        shift, first, last = phases[f, 2], phases[f, 3], phases[f, 4]
        for z in range(dims[4, 0]):
            source_z = z * dims[1, 0] + phases[f, 0]
            for y in range(rows):
                source_y = y * dims[1, 1] + phases[f, 1]
                if 0 <= source_z < dims[0, 0] and 0 <= source_y < height:
                    start = (source_z * height + source_y) * width + first * stride + shift
                    copy_strided(x[start:], stride, plane[at + first : at + last])
                at += columns


@jit
def copy_strided(source: Any, stride: int, target: Any) -> None:
    """``target[j] = source[j * stride]``."""
    if stride == 1:
        for j in range(target.shape[0]):
            target[j] = source[j]
    else:
        for j in range(target.shape[0]):
            target[j] = source[np.uintp(j) * np.uintp(stride)]
