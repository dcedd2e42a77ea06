"""Resize of any axes: nearest copies samples, linear and cubic weigh them axis by axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgec.kernels.jit import flat_input, jit
from edgec.kernels.loops.resize_axis import (
    Axis,
    Sampling,
    interpolation,
    nearest_index,
    original_coordinates,
)

Array = NDArray[Any]


def resize(
    x: Array,
    axes: Sequence[Axis],
    sampling: Sampling,
    extrapolation_value: float,
    out: Array,
) -> None:
    """ONNX Resize-19, one ``Axis`` per axis of contiguous ``x``.

    Nearest takes every dtype. Linear and cubic compute in float32, float64 for float64, with
    weights found in float64; each axis adds at most taps * eps of relative error.
    """
    crop = sampling.coordinates == "tf_crop_and_resize"
    moving = [
        i for i, axis in enumerate(axes) if crop or axis.size_in != axis.size_out or axis.scale != 1
    ]
    if sampling.mode == "nearest":
        _nearest(x, axes, moving, sampling, out)
    else:
        _interpolate(x, axes, moving, sampling, out)
    if crop:
        for i in moving:
            position = original_coordinates(axes[i], sampling.coordinates)
            outside = (position < 0) | (position > axes[i].size_in - 1)
            np.moveaxis(out, i, 0)[outside] = extrapolation_value


def _nearest(
    x: Array, axes: Sequence[Axis], moving: list[int], sampling: Sampling, out: Array
) -> None:
    index = {i: nearest_index(axes[i], sampling) for i in moving}
    rows, columns = x.ndim - 2, x.ndim - 1
    image = x.ndim >= 2 and x.dtype.itemsize in (1, 2, 4, 8)
    for i in moving:
        if not (image and i >= rows):
            x = np.take(x, index[i], axis=i)
    if not image:
        out[...] = x
        return
    bits = np.dtype(f"u{x.dtype.itemsize}")
    by_row = index.get(rows, np.arange(axes[rows].size_in))
    by_column = index.get(columns, np.arange(axes[columns].size_in))
    copy_nearest(
        flat_input(x.view(bits)), axes[rows].size_in, axes[columns].size_in, by_row, by_column,
        out.view(bits).reshape(-1),
    )  # fmt: skip


def _interpolate(
    x: Array, axes: Sequence[Axis], moving: list[int], sampling: Sampling, out: Array
) -> None:
    dtype = np.dtype(np.float64 if x.dtype == np.float64 else np.float32)
    current = x.astype(dtype, copy=False)
    # Shrinking axes first: later axes then read less.
    for i in sorted(moving, key=lambda i: axes[i].size_out / axes[i].size_in):
        shape = (*current.shape[:i], axes[i].size_out, *current.shape[i + 1 :])
        whole = shape == out.shape and out.dtype == dtype and i == _last(moving, axes)
        target = out if whole else np.empty(shape, dtype)
        index, weights = interpolation(axes[i], sampling)
        inner = int(np.prod(shape[i + 1 :]))
        weigh_axis(
            flat_input(current), axes[i].size_in, inner, index, weights.astype(dtype),
            target.reshape(-1),
        )  # fmt: skip
        current = target
    if current is not out:
        out[...] = np.rint(current) if out.dtype.kind in "iu" else current


def _last(moving: list[int], axes: Sequence[Axis]) -> int:
    return sorted(moving, key=lambda i: axes[i].size_out / axes[i].size_in)[-1]


@jit
def copy_nearest(x: Any, height: int, width: int, by_row: Any, by_column: Any, out: Any) -> None:
    """Gather rows and columns of each plane; an output row like the one above is copied from it."""
    rows, columns = by_row.shape[0], by_column.shape[0]
    for p in range(x.shape[0] // (height * width)):
        for r in range(rows):
            at = (p * rows + r) * columns
            target = out[at : at + columns]
            if r > 0 and by_row[r] == by_row[r - 1]:
                target[:] = out[at - columns : at]
                continue
            start = (p * height + by_row[r]) * width
            source = x[start : start + width]
            for c in range(columns):
                target[c] = source[np.uintp(by_column[c])]


@jit
def weigh_axis(x: Any, size: int, inner: int, index: Any, weights: Any, out: Any) -> None:
    """``out[o, j, i] = sum over k of weights[j, k] * x[o, index[j, k], i]``.

    Taps of weight zero are skipped: 0 * inf would turn an infinity beside the window into NaN.
    """
    count, taps = index.shape
    for o in range(x.shape[0] // (size * inner)):
        for j in range(count):
            at = (o * count + j) * inner
            target = out[at : at + inner]
            target[:] = 0
            for k in range(taps):
                weight = weights[j, k]
                if weight != 0:
                    start = (o * size + index[j, k]) * inner
                    source = x[start : start + inner]
                    for i in range(inner):
                        target[i] += weight * source[i]
