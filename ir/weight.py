"""Constant data: a read-only array, mapped rather than copied where it comes from a file."""

from __future__ import annotations

import hashlib
import mmap
import weakref
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds
from numpy.typing import NDArray

from edgec.ir.dtypes import DType, dtype_of
from edgec.ir.types import TensorType

Array = NDArray[Any]


class Weight:
    """An immutable array shared by every graph (and clone) that uses it.

    The array may be a view into a memory-mapped file: its pages are read when somebody touches
    them, and the digest is computed on first demand.

    Attributes:
        stored: the data as it lies in memory or in the file, where its elements may be unaligned:
            for its dims and its bytes, not to compute with.
    """

    __slots__ = ("__dict__", "_aligned", "stored")

    def __init__(self, array: Array) -> None:
        view = np.asarray(array).view()
        view.flags.writeable = False
        self.stored = view
        self._aligned: weakref.ref[Array] | None = None

    @property
    def array(self) -> Array:
        """The data, aligned. A copy where it is not stored so, which is kept as long as somebody
        holds it."""
        if self.stored.flags.aligned:
            return self.stored
        found = self._aligned() if self._aligned is not None else None
        if found is None:
            found = np.empty(self.stored.shape, self.stored.dtype)
            offset, flat = 0, found.reshape(-1).view(np.uint8)
            for piece in pieces(self.stored):
                flat[offset : offset + len(piece)] = piece
                offset += len(piece)
            found.flags.writeable = False
            self._aligned = weakref.ref(found)
        return found

    @property
    def dtype(self) -> DType:
        return dtype_of(self.stored.dtype)

    @property
    def type(self) -> TensorType:
        return TensorType(self.dtype, tuple(self.stored.shape))

    @cached_property
    def digest(self) -> str:
        """SHA-256 over dtype, shape and bytes, as 64 hexadecimal digits."""
        state = hashlib.sha256(f"{self.dtype.name}{list(self.stored.shape)}".encode())
        for piece in pieces(self.stored):
            state.update(piece)
        return state.hexdigest()

    def same_as(self, other: Weight) -> bool:
        """True when dtype, shape and every byte are equal (NaN payloads and -0.0 included)."""
        return self is other or (
            self.stored.dtype == other.stored.dtype
            and self.stored.shape == other.stored.shape
            and self.digest == other.digest
        )


PIECE = 1 << 19  # bytes


def pieces(array: Array) -> Iterator[memoryview]:
    """The bytes of an array in row-major order, piece by piece.

    Where the array lies in a mapped file, the pages behind each piece are given back: they count
    as memory of this process, and are read again when somebody touches them.
    """
    mapped = _map_of(array)
    for part in _cut(array):
        yield np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
        if mapped is not None:
            _give_back(part, mapped)


def _cut(array: Array) -> Iterator[Array]:
    """Parts of about a piece's size: of the bytes, or of the rows where these lie apart."""
    if array.flags.c_contiguous:
        array, step = array.reshape(-1).view(np.uint8), PIECE
    else:
        step = max(1, PIECE * len(array) // array.nbytes)
    for begin in range(0, len(array), step):
        yield array[begin : begin + step]


def _map_of(array: Array) -> np.memmap[Any, Any] | None:
    """The mapped file that an array is a view of."""
    base: Any = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap) and isinstance(base.base, mmap.mmap):
            return base
        base = base.base
    return None


def _give_back(part: Array, mapped: np.memmap[Any, Any]) -> None:
    low, high = byte_bounds(part)
    if high - low < mmap.PAGESIZE or not hasattr(mmap, "MADV_DONTNEED"):
        return
    pages: Any = mapped.base
    first = mapped.ctypes.data - mapped.offset % mmap.ALLOCATIONGRANULARITY
    begin = (low - first) // mmap.PAGESIZE * mmap.PAGESIZE
    pages.madvise(mmap.MADV_DONTNEED, begin, high - first - begin)
