"""Constant data: a read-only array, mapped rather than copied where it comes from a file."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgec.ir.dtypes import DType, dtype_of
from edgec.ir.types import TensorType

Array = NDArray[Any]


class Weight:
    """An immutable array shared by every graph (and clone) that uses it.

    The array may be a view into a memory-mapped file: its pages are read when somebody touches
    them, and the digest is computed on first demand.
    """

    __slots__ = ("__dict__", "array")

    def __init__(self, array: Array) -> None:
        view = np.asarray(array).view()
        view.flags.writeable = False
        self.array = view

    @property
    def dtype(self) -> DType:
        return dtype_of(self.array.dtype)

    @property
    def type(self) -> TensorType:
        return TensorType(self.dtype, tuple(self.array.shape))

    @cached_property
    def digest(self) -> str:
        """SHA-256 over dtype, shape and bytes, as 64 hexadecimal digits."""
        state = hashlib.sha256(f"{self.dtype.name}{list(self.array.shape)}".encode())
        state.update(np.ascontiguousarray(self.array).reshape(-1).view(np.uint8).data)
        return state.hexdigest()

    def same_as(self, other: Weight) -> bool:
        """True when dtype, shape and every byte are equal (NaN payloads and -0.0 included)."""
        return self is other or (
            self.array.dtype == other.array.dtype
            and self.array.shape == other.array.shape
            and self.digest == other.digest
        )
