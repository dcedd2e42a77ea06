"""Depthwise convolution that keeps the row length: out width = width / stride, stride 1 or 2.

Nearly every depthwise layer is of this kind, and its planes are often only 7 or 14 wide, where
loops over rows are all remainder. Here no loop runs over a row: taps that read q samples to the
right get their own copy of the plane, moved by q and with zeros for the samples that would come
from around the row end. So plane and output have the same pitch, one flat loop covers a whole
plane, and most of its loads are aligned (89 instead of 67 GFLOP/s of nine taps). With stride 2 the
plane is first split into even and odd rows and columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgec.kernels.jit import flat_input, jit
from edgec.kernels.loops.taps import add_taps, clip_into
from edgec.kernels.loops.windows import CHUNK, LANES, Index, ScratchAlloc, full_lanes

Array = NDArray[Any]

ALIGNMENT = 16  # samples: one 64-byte line of f32
OVERSHOOT = 16  # splitting a row writes full vectors; the next row overwrites the excess


@dataclass(frozen=True, eq=False)
class SamePlanes:
    """Planes of one layer in a working buffer of ``total`` samples.

    Rows of ``bases``: offset of the first input row, number of input rows. Rows of ``copies``:
    source and target offset, number of rows, shift q. ``taps`` are offsets into the buffer.
    """

    stride: int
    pad: int
    rows: int
    pitch: int
    lead: int
    bases: Index
    copies: Index
    taps: Index
    total: int


@lru_cache(maxsize=4096)
def same_planes(
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
    pads_begin: tuple[int, ...],
    out_size: tuple[int, ...],
) -> SamePlanes | None:
    """The planes of a two-dimensional layer, or None if it is of another kind."""
    stride = strides[0]
    if len(size) != 2 or strides not in ((1, 1), (2, 2)) or size[1] != stride * out_size[1]:
        return None
    (height, _), (out_height, width), (pad_y, pad_x) = size, out_size, pads_begin
    rows = out_height + (kernel[0] - 1) * dilations[0] // stride
    columns = [divmod(k * dilations[1] - pad_x, stride) for k in range(kernel[1])]
    lead = _aligned(max(abs(q) for q, _ in columns))
    pitch = _aligned(lead + rows * width + LANES + OVERSHOOT)

    bases: list[tuple[int, int]] = []
    first_rows: list[int] = []
    for phase in range(stride):
        first = max(0, -((phase - pad_y) // stride))
        last = min(rows, (height - 1 + pad_y - phase) // stride + 1)
        first_rows.append(first)
        for _ in range(stride):
            at = len(bases) * pitch + lead + first * width
            bases.append((at, max(0, last - first)))

    copies: dict[tuple[int, int], int] = {}
    taps, table = [], []
    for ky, (q, column_phase) in product(range(kernel[0]), columns):
        row, phase = divmod(ky * dilations[0], stride)
        base = plane = phase * stride + column_phase
        if q:
            plane = copies.setdefault((base, q), len(bases) + len(copies))
        taps.append(plane * pitch + lead + row * width)
    for (base, q), plane in copies.items():
        at = plane * pitch + lead + first_rows[base // stride] * width
        table.append((*bases[base], at, q))
    return SamePlanes(
        stride, pad_y, rows, pitch, lead,
        np.array(bases, np.int64), np.array(table, np.int64).reshape(-1, 4),
        np.array(taps, np.int64), (len(bases) + len(copies)) * pitch,
    )  # fmt: skip


def _aligned(count: int) -> int:
    return -(-count // ALIGNMENT) * ALIGNMENT


def depthwise_same(
    x: Array, w: Array, bias: Array, planes: SamePlanes, lo: Any, hi: Any, out: Array,
    scratch: ScratchAlloc,
) -> None:  # fmt: skip
    """``out = clip(conv(x, w) + bias, lo, hi)`` with ``out.shape[1] // x.shape[1]`` per channel."""
    memory = scratch(planes.total + CHUNK, x.dtype)
    source = flat_input(x)
    pair = np.dtype(np.complex64 if x.itemsize == 4 else np.complex128)
    pairs = source.view(pair) if planes.stride == 2 else np.empty(0, pair)
    convolve_planes(
        source, flat_input(pairs), x.shape[1], x.shape[2] * x.shape[3], out.shape[3],
        planes.stride, planes.pad, planes.rows, planes.pitch, planes.lead, planes.bases,
        planes.copies, planes.taps, flat_input(w), flat_input(bias), memory[CHUNK:],
        memory[:CHUNK], lo, hi, out.reshape(-1),
    )  # fmt: skip


@jit
def split_rows(
    pairs: Any, width: int, pad: int, rows: int, pitch: int, lead: int, planes: Any
) -> None:
    """Even and odd columns of even and odd rows; both halves of a pair come with one load."""
    count = (width + OVERSHOOT - 1) // OVERSHOOT * OVERSHOOT
    for y in range(pairs.shape[0] // width):
        row, phase = (y + pad) // 2, (y + pad) % 2
        if row >= rows:
            continue
        source = pairs[y * width : y * width + count]
        at = 2 * phase * pitch + lead + row * width
        even, odd = planes[at : at + count], planes[at + pitch : at + pitch + count]
        for j in range(source.shape[0]):
            value = source[j]
            even[j] = value.real
            odd[j] = value.imag


@jit
def shift_plane(source: Any, at: int, width: int, q: int, target: Any) -> None:
    """``target[i] = source[at + q + i]``, zero where that lies in another row than ``at + i``."""
    begin = np.uintp(at + q)
    for i in range(target.shape[0]):
        target[i] = source[begin + np.uintp(i)]
    first, last = (0, min(-q, width)) if q < 0 else (max(0, width - q), width)
    for start in range(0, target.shape[0], width):
        for i in range(start + first, start + last):
            target[np.uintp(i)] = 0


@jit
def convolve_planes(
    x: Any, pairs: Any, channels: int, volume: int, width: int, stride: int, pad: int, rows: int,
    pitch: int, lead: int, bases: Any, copies: Any, taps: Any, w: Any, bias: Any, planes: Any,
    acc: Any, lo: Any, hi: Any, out: Any,
) -> None:  # fmt: skip
    """Every plane of every image, its output in chunks whose accumulators stay in the cache."""
    multiplier, count = bias.shape[0] // channels, taps.shape[0]
    images = x.shape[0] // volume
    out_volume = out.shape[0] // (images * multiplier)
    planes[:] = 0
    for i in range(images):
        if stride == 1:
            at, length = bases[0, 0], bases[0, 1] * width
            shift_plane(x, i * volume, width, 0, planes[at : at + length])
        else:
            half = volume // 2
            split_rows(pairs[i * half : (i + 1) * half], width, pad, rows, pitch, lead, planes)
            for b in range(bases.shape[0]):
                end = bases[b, 0] + bases[b, 1] * width
                planes[end : end + OVERSHOOT] = 0
        for c in range(copies.shape[0]):
            at, length, to = copies[c, 0], copies[c, 1] * width, copies[c, 2]
            shift_plane(planes, at, width, copies[c, 3], planes[to : to + length])
        for m in range(multiplier):
            o = (i % channels) * multiplier + m
            base = (i * multiplier + m) * out_volume
            for first in range(0, out_volume, acc.shape[0]):
                used = min(acc.shape[0], out_volume - first)
                sums = acc[: full_lanes(used)]
                sums[:] = bias[o]
                add_taps(sums, planes[first:], taps, w[o * count : (o + 1) * count])
                clip_into(sums, lo, hi, out[base + first : base + first + used])
