"""Converting element types, as ONNX Cast-25 defines it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgec.ir import Array, DType, dtypes
from edgec.kernels.precision import rounded, widened

FLOAT8 = (dtypes.f8e4m3fn, dtypes.f8e4m3fnuz, dtypes.f8e5m2, dtypes.f8e5m2fnuz)
_E8M0_BIAS = 127
_E8M0_MAX = 254  # 255 stands for NaN


def converted(
    x: Array, to: DType, *, saturate: bool = True, round_mode: str = "up", out: Array | None = None
) -> Array:
    """``x`` as elements of type ``to``: one rounding to nearest even, truncation to integers,
    wrapping between integers. With ``saturate`` 8-bit floats take their largest value for what is
    out of range; ``round_mode`` (up, down, nearest) is for f8e8m0 only."""
    if to.family == "bool":
        return rounded(np.not_equal(widened(x), 0), to.numpy, out)
    if to is dtypes.f8e8m0:
        return rounded(_to_e8m0(x, saturate, round_mode), to.numpy, out)
    if to in FLOAT8:
        return rounded(_to_float8(x, to, saturate), to.numpy, out)
    if to.is_integer and to.bits < 8:
        return rounded(widened(x), to.numpy, out)  # out of range: ONNX leaves it open
    return rounded(x, to.numpy, out)


def _to_float8(x: Array, to: DType, saturate: bool) -> Array:
    """Values past the largest become it, or infinity, or NaN where the type has no infinity."""
    wide = widened(x)
    low, high = to.limits
    if saturate:
        return np.clip(wide, low, high)
    with np.errstate(all="ignore"):
        direct = wide.astype(to.numpy)
    if to is dtypes.f8e5m2:
        return direct
    bad = ~np.isfinite(direct.astype(np.float32))
    return np.where(bad, np.asarray(np.nan, to.numpy), direct)


def _to_e8m0(x: Array, saturate: bool, round_mode: str) -> Array:
    """The sign is dropped; what is out of range becomes the nearest, or NaN unless ``saturate``."""
    with np.errstate(all="ignore"):
        magnitude = np.abs(x.astype(np.float64))
        mantissa, exponent = np.frexp(magnitude)  # mantissa in [0.5, 1)
        finite = np.isfinite(magnitude)
        step = _E8M0_STEPS[round_mode](mantissa)
        code = np.where(finite, exponent - 1 + _E8M0_BIAS, 0) + step
    code = np.where(magnitude == 0, 0, code)
    code = np.where(np.isinf(magnitude), _E8M0_MAX + 1, code)
    outside = (magnitude == 0) | (code < 0) | (code > _E8M0_MAX)
    bad = np.isnan(magnitude) | (~np.bool_(saturate) & outside)
    code = np.where(bad, _E8M0_MAX + 1, np.clip(code, 0, _E8M0_MAX))
    return np.asarray(code, dtype=np.uint8).view(dtypes.f8e8m0.numpy)


_E8M0_STEPS: Mapping[str, Callable[[Array], Any]] = {
    "up": lambda mantissa: mantissa > 0.5,
    "down": lambda mantissa: np.zeros_like(mantissa, dtype=bool),
    "nearest": lambda mantissa: mantissa >= 0.75,
}
