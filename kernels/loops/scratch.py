"""Working memory of the loops, kept between calls so that its pages stay mapped."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

LINE = 64  # bytes: buffers start at a cache line, so that full vectors do not cross one


class Scratch(threading.local):
    """One growing buffer per thread; each call hands out its beginning, so that one loop at a time
    may hold it.

    >>> scratch = Scratch()
    >>> scratch(4, np.dtype(np.float32)).shape
    (4,)
    """

    def __init__(self) -> None:
        self.memory: NDArray[np.uint8] = np.empty(0, np.uint8)

    def __call__(self, count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        """``count`` uninitialized elements of ``dtype``."""
        needed = count * dtype.itemsize
        if self.memory.size < needed:
            memory = np.empty(needed + LINE, np.uint8)
            self.memory = memory[-memory.ctypes.data % LINE :][:needed]
        return self.memory[:needed].view(dtype)
