"""Window pooling over one to three spatial axes, channels first: maximum, average, Lp norm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgec.kernels.jit import flat_input, scalar
from edgec.kernels.loops.conv_direct import depthwise
from edgec.kernels.loops.pool_max import max_planes, max_planes_with_indices
from edgec.kernels.loops.windows import ScratchAlloc, Windows, windows

Array = NDArray[Any]
Sizes = tuple[int, ...]

_LOOP_DTYPES = frozenset(np.dtype(t) for t in (np.float32, np.float64, np.int8, np.uint8))


@dataclass(frozen=True)
class Pooling:
    """Window attributes, one entry per spatial axis, as ONNX names them.

    The output size is that of ``out``: with ceil mode, windows may overhang the padded input.
    """

    kernel: Sizes
    strides: Sizes
    pads_begin: Sizes
    pads_end: Sizes
    dilations: Sizes

    def geometry(self, size: Sizes, out_size: Sizes) -> Windows:
        """Window geometry over an input of ``size``."""
        return windows(size, self.kernel, self.strides, self.dilations, self.pads_begin, out_size)


def max_pool(
    x: Array,
    pooling: Pooling,
    out: Array,
    scratch: ScratchAlloc,
    indices: NDArray[np.int64] | None = None,
    storage_order: int = 0,
) -> None:
    """Maximum of the samples inside each window, ONNX MaxPool-22; NaN wins.

    ``indices`` receives the position of the first maximum in flattened ``x``; storage order 1
    counts the spatial axes column-major. A window that holds only padding gives the lowest value
    and index -1.
    """
    if x.dtype not in _LOOP_DTYPES:
        wide = out.astype(np.float32)
        max_pool(x.astype(np.float32), pooling, wide, scratch, indices, storage_order)
        out[...] = wide
        return
    geometry = pooling.geometry(x.shape[2:], out.shape[2:])
    lowest = scalar(x.dtype, -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min)
    source, target = flat_input(x), out.reshape(-1)
    if indices is not None:
        missing = (1,) * (3 - len(pooling.kernel))
        steps = np.array(_index_steps((*missing, *x.shape[2:]), storage_order), np.int64)
        window = np.array([missing + pooling.kernel, missing + pooling.dilations], np.int64)
        max_planes_with_indices(
            source, geometry.dims, window, steps, lowest, target, indices.reshape(-1)
        )
        return
    memory = scratch(geometry.plane + geometry.slack + geometry.chunk, x.dtype)
    max_planes(
        source, geometry.dims, geometry.phases, geometry.taps, geometry.rows,
        geometry.rows_per_chunk, lowest, memory[geometry.chunk :], memory[: geometry.chunk], target,
    )  # fmt: skip


def average_pool(
    x: Array, pooling: Pooling, count_include_pad: bool, out: Array, scratch: ScratchAlloc
) -> None:
    """Mean of each window, ONNX AveragePool-22.

    The divisor counts the samples inside the input or, with ``count_include_pad``, inside the
    padded input; what overhangs the padding is never counted.
    """
    _sum_windows(x, pooling, out, scratch)
    size = np.array(x.shape[2:])
    begin, end = np.zeros_like(size), size
    if count_include_pad:
        begin, end = -np.array(pooling.pads_begin), size + pooling.pads_end
    counts = [
        _samples_inside(pooling, axis, out.shape[2 + axis], int(begin[axis]), int(end[axis]))
        for axis in range(len(pooling.kernel))
    ]
    divisor = reduce(np.multiply.outer, counts).astype(out.dtype)
    with np.errstate(invalid="ignore"):  # a window of padding alone is 0 / 0
        np.divide(out, divisor, out=out)


def lp_pool(x: Array, pooling: Pooling, p: int, out: Array, scratch: ScratchAlloc) -> None:
    """(sum over the window of |x|^p)^(1/p), ONNX LpPool-22."""
    powers = np.abs(x).astype(np.float32 if x.dtype.itemsize < 4 else x.dtype)
    np.power(powers, p, out=powers)
    wide = out if out.dtype == powers.dtype else out.astype(powers.dtype)
    _sum_windows(powers, pooling, wide, scratch)
    np.power(wide, 1 / p, out=wide)
    if wide is not out:
        out[...] = wide


def _sum_windows(x: Array, pooling: Pooling, out: Array, scratch: ScratchAlloc) -> None:
    if x.dtype not in (np.float32, np.float64):
        wide = out.astype(np.float32)
        _sum_windows(x.astype(np.float32), pooling, wide, scratch)
        out[...] = wide
        return
    geometry = pooling.geometry(x.shape[2:], out.shape[2:])
    ones = flat_input(np.ones(geometry.taps.size, x.dtype))
    zero = flat_input(np.zeros(1, x.dtype))
    memory = scratch(geometry.plane + geometry.slack + geometry.chunk, x.dtype)
    depthwise(
        flat_input(x), ones, zero, 1, geometry.dims, geometry.phases, geometry.taps,
        geometry.rows, geometry.rows_per_chunk, memory[geometry.chunk :],
        memory[: geometry.chunk], scalar(x.dtype, -np.inf), scalar(x.dtype, np.inf),
        out.reshape(-1),
    )  # fmt: skip


def _samples_inside(
    pooling: Pooling, axis: int, count: int, begin: int, end: int
) -> NDArray[np.int64]:
    starts = np.arange(count) * pooling.strides[axis] - pooling.pads_begin[axis]
    taps = np.arange(pooling.kernel[axis]) * pooling.dilations[axis]
    positions = starts[:, None] + taps
    inside = (positions >= begin) & (positions < end)
    return np.asarray(inside.sum(axis=1), np.int64)


def _index_steps(size: Sizes, storage_order: int) -> Sizes:
    depth, height, width = size
    if storage_order == 0:
        return height * width, width, 1
    return 1, depth, depth * height


def max_unpool(
    x: Array, indices: NDArray[np.int64], unpooled_size: Sequence[int], out: Array
) -> None:
    """Put each value where its index points in [N, C, *unpooled_size], zero elsewhere.

    ONNX MaxUnpool-22; ``unpooled_size`` follows from kernel, strides and pads, and ``out`` may be
    larger: the rest of it is zero.
    """
    small = np.zeros((*x.shape[:2], *unpooled_size), x.dtype)
    small.reshape(-1)[indices.reshape(-1)] = x.reshape(-1)
    out[...] = 0
    out[tuple(slice(0, n) for n in small.shape)] = small
