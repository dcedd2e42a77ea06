"""Computing wider than the operands: narrow types are widened, and rounded back once."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgec.ir import Array, DType
from edgec.ir.dtypes import dtype_of

_F32 = np.dtype(np.float32)
_I32 = np.dtype(np.int32)


def wide_dtype(dtype: DType) -> np.dtype[Any]:
    """What a kernel computes in: float32 for 16, 8 and 4-bit floats, int32 for 2 and 4-bit
    integers, the type itself for the others."""
    if dtype.is_float and dtype.bits < 32:
        return _F32
    if dtype.is_integer and dtype.bits < 8:
        return _I32
    return dtype.numpy


def widen(array: Array) -> Array:
    """The array in the type to compute in; the array itself when it is that already."""
    return array.astype(wide_dtype(dtype_of(array.dtype)), copy=False)


def narrow(array: Array, dtype: DType, out: Array | None = None) -> Array:
    """The array rounded to ``dtype`` (into ``out``); the array itself when it has that type
    already and no ``out`` is given. Overflow gives infinity."""
    with np.errstate(over="ignore"):
        if out is None:
            return array.astype(dtype.numpy, copy=False)
        if out is not array:
            np.copyto(out, array, casting="unsafe")
    return out
