"""Channels last to channels first and back, around loops that know channels first only."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array, DType
from edgec.kernels.precision import rounded, widened


def channels_first(x: Array, layout: str) -> Array:
    """``x`` contiguous with channels second, in the type to compute in."""
    return np.ascontiguousarray(widened(moved_first(x, layout)))


def moved_first(x: Array, layout: str) -> Array:
    """A view of ``x`` with channels second."""
    return x if layout == "nchw" else np.moveaxis(x, -1, 1)


def channels_placed(y: Array, layout: str, dtype: DType) -> Array:
    """``y`` [N, C, *spatial] contiguous in the layout and rounded to ``dtype``."""
    moved = y if layout == "nchw" else np.moveaxis(y, 1, -1)
    return rounded(moved, dtype.numpy)
