"""Where one resized axis reads its input, and with which weights (ONNX Resize-19)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Coordinates = NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """Sizes and scale of one axis; ``roi`` is its normalized (start, end) for tf_crop_and_resize.

    ``scale`` may be fractional where ``size_out`` is floor(scale * size_in).
    """

    size_in: int
    size_out: int
    scale: float
    roi: tuple[float, float] = (0.0, 1.0)

    @property
    def length(self) -> float:
        """The resized length before rounding, as the published test data use it."""
        return self.scale * self.size_in


@dataclass(frozen=True)
class Sampling:
    """How a resize reads its input; the fields are the attributes of ONNX Resize."""

    mode: str = "nearest"
    coordinates: str = "half_pixel"
    nearest_mode: str = "round_prefer_floor"
    cubic_coeff_a: float = -0.75
    exclude_outside: bool = False
    antialias: bool = False


def _half_pixel(x: Coordinates, axis: Axis) -> Coordinates:
    return (x + 0.5) / axis.scale - 0.5


def _half_pixel_symmetric(x: Coordinates, axis: Axis) -> Coordinates:
    adjustment = axis.size_out / axis.length
    return axis.size_in / 2 * (1 - adjustment) + _half_pixel(x, axis)


def _pytorch_half_pixel(x: Coordinates, axis: Axis) -> Coordinates:
    return _half_pixel(x, axis) if axis.length > 1 else np.zeros_like(x)


def _align_corners(x: Coordinates, axis: Axis) -> Coordinates:
    if axis.length == 1:
        return np.zeros_like(x)
    return x * (axis.size_in - 1) / (axis.length - 1)


def _asymmetric(x: Coordinates, axis: Axis) -> Coordinates:
    return x / axis.scale


def _tf_crop_and_resize(x: Coordinates, axis: Axis) -> Coordinates:
    start, end = axis.roi
    last = axis.size_in - 1
    if axis.size_out <= 1:
        return np.full_like(x, 0.5 * (start + end) * last)
    return start * last + x * (end - start) * last / (axis.size_out - 1)


_ORIGINAL: dict[str, Callable[[Coordinates, Axis], Coordinates]] = {
    "half_pixel": _half_pixel,
    "half_pixel_symmetric": _half_pixel_symmetric,
    "pytorch_half_pixel": _pytorch_half_pixel,
    "align_corners": _align_corners,
    "asymmetric": _asymmetric,
    "tf_crop_and_resize": _tf_crop_and_resize,
}
_ROUND: dict[str, Callable[[Coordinates], Coordinates]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def original_coordinates(axis: Axis, mode: str) -> Coordinates:
    """The input coordinate of each output position, in float64.

    Raises:
        KeyError: a mode that ONNX does not define.
    """
    return _ORIGINAL[mode](np.arange(axis.size_out, dtype=np.float64), axis)


def nearest_index(axis: Axis, sampling: Sampling) -> NDArray[np.int64]:
    """The input position that each output position copies."""
    rounded = _ROUND[sampling.nearest_mode](original_coordinates(axis, sampling.coordinates))
    return np.clip(rounded, 0, axis.size_in - 1).astype(np.int64)


def interpolation(axis: Axis, sampling: Sampling) -> tuple[NDArray[np.int64], Coordinates]:
    """Input positions and weights [size_out, taps] of linear or cubic interpolation.

    Positions outside the input repeat its edge, or have weight zero with ``exclude_outside``.
    """
    x = original_coordinates(axis, sampling.coordinates)
    shrink = min(axis.scale, 1.0) if sampling.antialias else 1.0
    radius = (2 if sampling.mode == "cubic" else 1) / shrink
    first = np.floor(x - radius).astype(np.int64) + 1
    index = first[:, None] + np.arange(int(np.ceil(2 * radius)))
    distance = np.abs(index - x[:, None]) * shrink
    if sampling.mode == "cubic":
        weights = _cubic(distance, sampling.cubic_coeff_a)
    else:
        weights = np.maximum(1 - distance, 0)
    if sampling.exclude_outside:
        weights = np.where((index >= 0) & (index < axis.size_in), weights, 0)
    if sampling.exclude_outside or sampling.antialias:
        with np.errstate(invalid="ignore"):  # where every sample is excluded there is no number
            weights = weights / weights.sum(axis=1, keepdims=True)
    return np.clip(index, 0, axis.size_in - 1), weights


def _cubic(distance: Coordinates, a: float) -> Coordinates:
    """Keys' cubic convolution kernel (IEEE TASSP 29(6), 1981, equation 4 with free a)."""
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0))
