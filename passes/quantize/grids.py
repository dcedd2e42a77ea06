"""From the numbers that a value takes to the grid that its integers stand for.

The range is widened to hold 0, which is then on the grid exactly: padding and clipping at 0 cost
nothing (Jacob et al. 2018, arXiv:1712.05877, section 3).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgec.ir import Array, DType, Grid, QuantScheme, Range, dtypes

Scales: TypeAlias = NDArray[np.float64]  # one per channel, each a float32 number

SMALLEST_SCALE = float(np.finfo(np.float32).tiny)  # below it, runtimes flush to zero
_SCALE_OF_NOTHING = 1 / 255  # of a value that calibration has only ever seen at 0
_U8_ABOVE_I8 = 128


def grid_of(range: Range, scheme: QuantScheme) -> Grid:
    """The finest grid of the scheme that covers a range."""
    low, high = min(range.low, 0.0), max(range.high, 0.0)
    least, greatest = scheme.bounds
    if scheme.symmetric:
        return Grid(_scale(max(-low, high) / greatest), 0)
    scale = _scale((high - low) / (greatest - least))
    zero_point = int(np.clip(np.rint(least - low / scale), least, greatest))
    return Grid(scale, zero_point)


def _scale(exact: float) -> float:
    if exact == 0:
        return float(np.float32(_SCALE_OF_NOTHING))
    return max(float(np.float32(exact)), SMALLEST_SCALE)


def covered(grid: Grid, scheme: QuantScheme) -> Range:
    """The real numbers that a grid stands for."""
    least, greatest = scheme.bounds
    return Range(grid.scale * (least - grid.zero_point), grid.scale * (greatest - grid.zero_point))


def stored_at(grid: Grid, real: float, scheme: QuantScheme) -> int:
    """The integer (on the i8 grid) that a real number, or an infinity, is stored as."""
    least, greatest = scheme.bounds
    return int(np.clip(np.rint(real / grid.scale) + grid.zero_point, least, greatest))


def offset(dtype: DType) -> int:
    """What is added to an i8 zero point where integers of that type are stored."""
    return _U8_ABOVE_I8 if dtype is dtypes.u8 else 0


def scale_array(grid: Grid) -> Array:
    """The scale as a 0-d array: onnxruntime keeps float ops beside a scale of shape [1]."""
    return np.asarray(grid.scale, np.float32)


def zero_point_array(grid: Grid, dtype: DType) -> Array:
    """The zero point as a 0-d array of the type that is stored."""
    return np.asarray(grid.zero_point + offset(dtype), dtype.numpy)


def union(*ranges: Range) -> Range:
    """The smallest range around all of these."""
    return Range(min(r.low for r in ranges), max(r.high for r in ranges))
