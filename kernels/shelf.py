"""Arrays of many samples: in memory up to a bound, and beyond it in temporary files.

Everything that walks over layers with all samples at each of them holds what the layers behind
still read. Files keep that memory the same for any number of samples; computing it again at each
layer would take time with the square of the depth.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgec.ir import Array, Error, Kind, Value


class Shelf:
    """Room for arrays of all samples.

    Args:
        limit: bytes that are held in memory.
    """

    def __init__(self, limit: int) -> None:
        self.room = limit
        self.files: dict[Value, _File] = {}

    def sample(self) -> MutableMapping[Value, Array]:
        """The arrays of one more sample, by value."""
        return _Sample(self)


class _Sample(MutableMapping[Value, Array]):
    """Values that are replaced by others of the same size take their place."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._near: dict[Value, Array] = {}
        self._far: dict[Value, _Slot] = {}

    def __getitem__(self, value: Value) -> Array:
        slot = self._far.get(value)
        return self._near[value] if slot is None else self._shelf.files[value].read(slot)

    def __setitem__(self, value: Value, array: Array) -> None:
        slot = self._far.get(value)
        if slot is not None and slot.size == array.nbytes:
            self._far[value] = self._shelf.files[value].write(array, slot.start)
            return
        self.pop(value, None)
        if array.nbytes <= self._shelf.room or array.dtype.hasobject:
            self._near[value] = array
            self._shelf.room -= array.nbytes
        else:
            file = self._shelf.files.setdefault(value, _File())
            self._far[value] = file.append(array)

    def __delitem__(self, value: Value) -> None:
        if value in self._near:
            self._shelf.room += self._near.pop(value).nbytes
            return
        del self._far[value]
        if self._shelf.files[value].drop():
            del self._shelf.files[value]

    def __iter__(self) -> Iterator[Value]:
        yield from self._near
        yield from self._far

    def __len__(self) -> int:
        return len(self._near) + len(self._far)


@dataclass(frozen=True)
class _Slot:
    """Where an array lies in a file."""

    start: int
    size: int
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]


class _File:
    """The arrays of one value; the file goes with the last of them."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this object
        self._end = 0
        self._count = 0

    def append(self, array: Array) -> _Slot:
        slot = self.write(array, self._end)
        self._end += slot.size
        self._count += 1
        return slot

    def write(self, array: Array, start: int) -> _Slot:
        """Raises Error when the disk is full."""
        flat: NDArray[np.uint8] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        try:
            self._file.seek(start)
            self._file.write(flat.data)
        except OSError as error:
            raise Error(
                Kind.UNSUPPORTED,
                f"values of all samples do not fit {tempfile.gettempdir()}: {error.strerror}",
                instead="fewer samples (samples=32), or TMPDIR=FOLDER with more room",
            ) from error
        return _Slot(start, array.nbytes, array.dtype, array.shape)

    def read(self, slot: _Slot) -> Array:
        flat = np.empty(slot.size, np.uint8)
        self._file.seek(slot.start)
        self._file.readinto(flat.data)
        return flat.view(slot.dtype).reshape(slot.shape)

    def drop(self) -> bool:
        """One array is not needed any more; True when it was the last."""
        self._count -= 1
        return not self._count

    def __del__(self) -> None:
        self._file.close()
