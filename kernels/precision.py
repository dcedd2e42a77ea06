"""Computing narrow element types in wider ones, and rounding once at the end.

16-bit and smaller floats are computed in float32, integers below a byte in int32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgec.ir import Array, DType, dtypes

_NARROW_FLOATS = (
    dtypes.f16, dtypes.bf16, dtypes.f8e4m3fn, dtypes.f8e4m3fnuz, dtypes.f8e5m2, dtypes.f8e5m2fnuz,
    dtypes.f8e8m0, dtypes.f4e2m1,
)  # fmt: skip
_NARROW_INTS = (dtypes.i2, dtypes.u2, dtypes.i4, dtypes.u4)

_WORKING: Mapping[np.dtype[Any], np.dtype[Any]] = {
    **{dtype.numpy: np.dtype(np.float32) for dtype in _NARROW_FLOATS},
    **{dtype.numpy: np.dtype(np.int32) for dtype in _NARROW_INTS},
}


def working(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The element type that arrays of ``dtype`` are computed in."""
    return _WORKING.get(dtype, dtype)


def widened(array: Array) -> Array:
    """The array in its working element type; the array itself where that is its own."""
    return array.astype(_WORKING[array.dtype]) if array.dtype in _WORKING else array


def rounded(array: Array, dtype: np.dtype[Any], out: Array | None = None) -> Array:
    """The array converted to ``dtype`` in one rounding (in ``out``, if given)."""
    if out is None:
        if array.dtype == dtype and array.flags.c_contiguous:
            return array
        with np.errstate(all="ignore"):
            return np.ascontiguousarray(array, dtype=dtype).reshape(array.shape)
    if out is not array:
        with np.errstate(all="ignore"):
            np.copyto(out, array, casting="unsafe")
    return out


def apply(function: Callable[..., Any], dtype: DType, out: Array | None, *operands: Array) -> Array:
    """``function(*operands, out=y)``, a ufunc or alike, in working precision, as ``dtype``.

    ``function`` writes every element of y, whose shape is that which the operands broadcast to;
    where ``out`` has the working type it is y, so that no temporary is needed. Floating-point
    exceptions (overflow to infinity, division by zero, 0 / 0) are IEEE 754 results, not warnings.
    """
    wide = [widened(operand) for operand in operands]
    wanted = working(dtype.numpy)
    if out is not None and out.dtype == wanted:
        y = out
    else:
        y = np.empty(np.broadcast_shapes(*(array.shape for array in wide)), wanted)
    with np.errstate(all="ignore"):
        function(*wide, out=y)
        return y if y.dtype == dtype.numpy else rounded(y, dtype.numpy, out)
