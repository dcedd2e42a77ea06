"""Pooling over regions of interest: RoiAlign and MaxRoiPool."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgec.kernels.jit import flat_input, jit

Array = NDArray[Any]


@dataclass(frozen=True)
class RoiAlign:
    """Attributes of ONNX RoiAlign-16; ``half_pixel`` shifts input coordinates by -0.5."""

    sampling_ratio: int = 0
    spatial_scale: float = 1.0
    half_pixel: bool = True
    maximum: bool = False


def roi_align(
    x: Array, rois: Array, batch_indices: NDArray[np.int64], align: RoiAlign, out: Array
) -> None:
    """``out`` [R, C, H, W]: mean (or maximum) of bilinear samples inside each bin.

    ``x`` is [N, C, h, w], ``rois`` [R, 4] as x1, y1, x2, y2. The maximum is over the weighted
    neighbours, not over the interpolated values: that is what the published test data contain.
    """
    height, width = out.shape[2:]
    shift = 0.5 if align.half_pixel else 0.0
    scaled = rois.astype(np.float64) * align.spatial_scale - shift
    for r, (x1, y1, x2, y2) in enumerate(scaled):
        # Without the half pixel shift, malformed regions count as one sample wide.
        least = -np.inf if align.half_pixel else 1.0
        rows = _samples(y1, max(y2 - y1, least), height, x.shape[2], align.sampling_ratio)
        columns = _samples(x1, max(x2 - x1, least), width, x.shape[3], align.sampling_ratio)
        image = flat_input(x[batch_indices[r]])
        sample_bins(
            image, x.shape[2], x.shape[3], *rows, *columns, height, width, align.maximum,
            out[r].reshape(-1),
        )  # fmt: skip


def _samples(
    start: float, extent: float, bins: int, size: int, sampling_ratio: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Lower neighbour and its distance for every sample of one axis; -1 where outside."""
    step = extent / bins
    per_bin = sampling_ratio if sampling_ratio > 0 else max(0, ceil(step))
    offsets = (np.arange(per_bin) + 0.5) * step / max(per_bin, 1)
    position = (start + np.arange(bins)[:, None] * step + offsets).reshape(-1)
    inside = (position >= -1) & (position <= size)
    position = np.clip(position, 0, size - 1)
    low = np.minimum(position.astype(np.int64), size - 1)
    return np.where(inside, low, -1), position - low


@jit
def sample_bins(
    x: Any, height: int, width: int, low_y: Any, part_y: Any, low_x: Any, part_x: Any,
    bins_y: int, bins_x: int, maximum: bool, out: Any,
) -> None:  # fmt: skip
    """Mean or maximum over the samples of each bin, for every channel of one image."""
    per_y, per_x = low_y.shape[0] // bins_y, low_x.shape[0] // bins_x
    for i in range(out.shape[0]):
        channel = i // (bins_y * bins_x)
        by, bx = i // bins_x % bins_y, i % bins_x
        plane = x[channel * height * width : (channel + 1) * height * width]
        total, best = 0.0, 0.0
        for j in range(per_y * per_x):
            sy, sx = by * per_y + j // per_x, bx * per_x + j % per_x
            y0, x0 = low_y[sy], low_x[sx]
            weight_y, weight_x = part_y[sy], part_x[sx]
            if y0 < 0 or x0 < 0:
                y0, x0, inside = 0, 0, 0.0
            else:
                inside = 1.0
            y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
            a = inside * (1 - weight_y) * (1 - weight_x) * plane[y0 * width + x0]
            b = inside * (1 - weight_y) * weight_x * plane[y0 * width + x1]
            c = inside * weight_y * (1 - weight_x) * plane[y1 * width + x0]
            d = inside * weight_y * weight_x * plane[y1 * width + x1]
            total += a + b + c + d
            largest = max(max(a, b), max(c, d))
            best = largest if j == 0 else max(best, largest)
        out[i] = best if maximum else total / max(per_y * per_x, 1)


def max_roi_pool(x: Array, rois: Array, spatial_scale: float, out: Array) -> None:
    """``out`` [R, C, H, W]: maximum over each bin of whole samples, 0 where a bin is empty.

    ONNX MaxRoiPool-22; ``rois`` is [R, 5] as batch, x1, y1, x2, y2, corners inclusive, rounded half
    away from zero (Girshick, Fast R-CNN, section 2.1).
    """
    height, width = out.shape[2:]
    corners = rois[:, 1:].astype(np.float64) * spatial_scale
    rounded = (np.sign(corners) * np.floor(np.abs(corners) + 0.5)).astype(np.int64)
    out[...] = 0
    for r, (x1, y1, x2, y2) in enumerate(rounded.tolist()):
        image = x[int(rois[r, 0])]
        rows = _bins(y1, y2, height, x.shape[2])
        columns = _bins(x1, x2, width, x.shape[3])
        for i, (top, bottom) in enumerate(rows):
            for j, (left, right) in enumerate(columns):
                if top < bottom and left < right:
                    out[r, :, i, j] = image[:, top:bottom, left:right].max(axis=(1, 2))


def _bins(first: int, last: int, count: int, size: int) -> list[tuple[int, int]]:
    step = max(last - first + 1, 1) / count
    return [
        (
            min(max(int(np.floor(i * step)) + first, 0), size),
            min(max(int(np.ceil((i + 1) * step)) + first, 0), size),
        )
        for i in range(count)
    ]
