"""Constant data: a read-only array, mapped rather than copied where it comes from a file."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator
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
        for piece in pieces(self.array):
            state.update(piece)
        return state.hexdigest()

    def same_as(self, other: Weight) -> bool:
        """True when dtype, shape and every byte are equal (NaN payloads and -0.0 included)."""
        return self is other or (
            self.array.dtype == other.array.dtype
            and self.array.shape == other.array.shape
            and self.digest == other.digest
        )


PIECE = 1 << 24  # bytes


def pieces(array: Array) -> Iterator[memoryview]:
    """The bytes of an array in row-major order, piece by piece.

    Where the array lies in a mapped file, the pages behind each piece are given back: they count
    as memory of this process, and are read again when somebody touches them.
    """
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    mapped = _map_of(flat)
    for begin in range(0, flat.size, PIECE):
        piece = flat[begin : begin + PIECE]
        yield piece.data
        if mapped is not None:
            _give_back(piece, mapped)


def _map_of(array: Array) -> np.memmap[Any, Any] | None:
    """The mapped file that an array is a view of."""
    base: Any = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap) and isinstance(base.base, mmap.mmap):
            return base
        base = base.base
    return None


def _give_back(piece: Array, mapped: np.memmap[Any, Any]) -> None:
    if piece.size < mmap.PAGESIZE or not hasattr(mmap, "MADV_DONTNEED"):
        return
    pages: Any = mapped.base
    first = mapped.ctypes.data - mapped.offset % mmap.ALLOCATIONGRANULARITY
    begin = (piece.ctypes.data - first) // mmap.PAGESIZE * mmap.PAGESIZE
    end = piece.ctypes.data - first + piece.size
    pages.madvise(mmap.MADV_DONTNEED, begin, end - begin)
