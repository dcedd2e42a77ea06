"""Sampling at arbitrary positions: GridSample over one to three spatial axes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgec.kernels.jit import flat_input, jit

Array = NDArray[Any]

TAPS = {"nearest": 1, "linear": 2, "cubic": 4}
PADDING_BORDER, PADDING_REFLECTION = 1, 2
PADDING = {"zeros": 0, "border": PADDING_BORDER, "reflection": PADDING_REFLECTION}
FARTHEST = float(2**31)


def grid_sample(
    x: Array, grid: Array, mode: str, padding_mode: str, align_corners: bool, out: Array
) -> None:
    """Interpolate ``x`` [N, C, *D] at ``grid`` [N, *E, rank], ONNX GridSample-22.

    Grid coordinates run from -1 to 1 over each axis, last axis first. Positions and weights are
    float64, sums have the dtype of ``x`` (float32 or float64).

    Raises:
        KeyError: a mode that ONNX does not define.
        ValueError: more than three spatial axes.
    """
    rank = x.ndim - 2
    if rank > 3:
        raise ValueError(f"grid_sample covers 1 to 3 spatial axes, found {rank}")
    size = np.array((1,) * (3 - rank) + x.shape[2:], np.int64)
    taps, padding = TAPS[mode], PADDING[padding_mode]
    index, weight = np.zeros((3, taps), np.int64), np.zeros((3, taps), np.float64)
    for n in range(x.shape[0]):
        sample_points(
            flat_input(x[n]), size, flat_input(grid[n]), rank, padding, align_corners,
            index, weight, out[n].reshape(-1),
        )  # fmt: skip


@jit
def reflect(x: float, low: float, high: float) -> float:
    """``x`` reflected by the borders until it lies between them."""
    extent = high - low
    if extent <= 0:
        return low
    distance = low - x if x < low else x - high
    if distance <= 0:
        return x
    folds = int(distance / extent)
    rest = distance - folds * extent
    from_low = (x < low) == (folds % 2 == 0)
    return low + rest if from_low else high - rest


@jit
def fill_weights(distance: float, weight: Any) -> None:
    """Weights of 1 (nearest), 2 (linear) or 4 (cubic, a = -0.75) taps around a position."""
    taps = weight.shape[0]
    if taps == 1:
        weight[0] = 1
    elif taps == 2:
        weight[0], weight[1] = 1 - distance, distance
    else:
        a = -0.75
        for i in range(4):
            d = abs(distance - (i - 1))
            if d <= 1:
                weight[i] = ((a + 2) * d - (a + 3)) * d * d + 1
            else:
                weight[i] = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a


@jit
def move_inside(x: float, size: int, padding: int, low: float, high: float) -> float:
    """A position outside the borders as the padding mode (border or reflection) moves it."""
    if padding == PADDING_BORDER:
        return min(max(x, 0.0), size - 1.0)
    if padding == PADDING_REFLECTION:
        return reflect(x, low, high)
    return x


@jit
def locate(
    normalized: float, size: int, padding: int, align_corners: bool, index: Any, weight: Any
) -> None:
    """Input positions and weights of one axis; outside positions get weight 0 or are moved in."""
    taps = weight.shape[0]
    low, high = -0.5, size - 0.5
    x = ((normalized + 1) * size - 1) / 2
    if align_corners:
        low, high = 0.0, size - 1.0
        x = (normalized + 1) / 2 * (size - 1)
    if padding == PADDING_BORDER:  # past this all taps read the border; nearer, their weights count
        x = min(max(x, -4.0), size + 4.0)
    if not abs(x) < FARTHEST:
        x = -FARTHEST
    if taps == 1:
        x = np.rint(x)
    if padding == PADDING_REFLECTION and (x < low or x > high):
        x = move_inside(x, size, padding, low, high)
    base = int(np.floor(x))
    fill_weights(x - base, weight)
    for t in range(taps):
        i = int(move_inside(float(base + t - taps // 4), size, padding, low, high))
        if i < 0 or i >= size:
            i, weight[t] = 0, 0
        index[t] = i


@jit
def sample_points(
    x: Any, size: Any, grid: Any, rank: int, padding: int, align_corners: bool,
    index: Any, weight: Any, out: Any,
) -> None:  # fmt: skip
    """All points of one image, the taps of a point shared by its channels."""
    points = grid.shape[0] // rank
    volume = size[0] * size[1] * size[2]
    taps = index.shape[1]
    weight[:] = 0
    weight[:, 0] = 1
    for point in range(points):
        for axis in range(rank):
            locate(
                grid[point * rank + rank - 1 - axis], size[3 - rank + axis], padding,
                align_corners, index[3 - rank + axis], weight[3 - rank + axis],
            )  # fmt: skip
        for c in range(x.shape[0] // volume):
            total = 0.0
            for i in range(taps):
                for j in range(taps):
                    outer = weight[0, i] * weight[1, j]
                    if outer == 0:
                        continue
                    row = ((c * size[0] + index[0, i]) * size[1] + index[1, j]) * size[2]
                    for k in range(taps):
                        if weight[2, k] != 0:
                            total += outer * weight[2, k] * x[row + index[2, k]]
            out[c * points + point] = total
