"""Averages over windows of 8-bit images with channels last."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgec.kernels.jit import jit


@jit
def averages(x: Any, dims: Any, begin: Any, kernel: Any, ends: Any, y: Any) -> None:
    """The mean of each window's samples inside one image, halves away from zero, clipped.

    ``dims`` has the size, the stride and the number of windows of each of three spatial axes;
    ``ends`` low, high and the number of channels.
    """
    low, high, channels = ends[0], ends[1], ends[2]
    sums = np.empty(channels, np.int32)
    at = 0
    for z in range(dims[0, 2]):
        z0, z1 = _inside(z, dims[0], begin[0], kernel[0])
        for v in range(dims[1, 2]):
            v0, v1 = _inside(v, dims[1], begin[1], kernel[1])
            for u in range(dims[2, 2]):
                u0, u1 = _inside(u, dims[2], begin[2], kernel[2])
                sums[:] = 0
                for plane in range(z0, z1):
                    for line in range(v0, v1):
                        for column in range(u0, u1):
                            start = (plane * dims[1, 0] + line) * dims[2, 0] + column
                            given = x[start * channels : (start + 1) * channels]
                            for c in range(channels):
                                sums[c] = np.int32(sums[c] + np.int32(given[c]))
                count = (z1 - z0) * (v1 - v0) * (u1 - u0)
                _divide(sums, count, low, high, y[at : at + channels])
                at += channels


@jit
def _divide(sums: Any, count: int, low: int, high: int, target: Any) -> None:
    divisor, half = np.int32(count), np.int32(count // 2)
    for c in range(sums.shape[0]):
        total = sums[c]
        mean = np.int32(abs(total) + half) // divisor
        signed: Any = mean if total > 0 else -mean
        target[c] = np.int8(min(max(signed, low), high))


@jit
def _inside(index: int, axis: Any, begin: int, kernel: int) -> tuple[int, int]:
    """First and one past the last sample of a window that lie inside the image."""
    start = index * axis[1] - begin
    return max(start, 0), min(start + kernel, axis[0])
