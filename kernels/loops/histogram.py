"""Counting float32 elements by bins of a width that is a power of two."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgec.kernels.jit import jit

BLOCK = 1024  # elements whose bins are found in vector lanes before they are counted one by one


@jit
def count(x: Any, per_width: Any, first: Any, counts: Any) -> int:
    """``counts[floor(x[i] * per_width) - first] += 1`` for every i, where every index lies in the
    range and below 2^24; returns the number of zeros. A quotient too small for float32 counts as 0.

    Neighbours often fall into one bin (zeros after a rectifier), and an increment waits for the
    one before it: four tables take turns.
    """
    bins = counts.shape[0]
    tables = np.zeros(4 * bins, np.uint32)
    c0, c1, c2, c3 = (
        tables[:bins],
        tables[bins : 2 * bins],
        tables[2 * bins : 3 * bins],
        tables[3 * bins :],
    )
    places = np.empty(BLOCK, np.int32)
    zeros = 0
    for begin in range(0, x.shape[0], BLOCK):
        block = x[begin : begin + BLOCK]
        n = block.shape[0]
        none = np.int32(0)
        for i in range(n):
            places[i] = np.int32(math.floor(block[i] * per_width)) - first
            none += np.int32(block[i] == 0)
        zeros += int(none)
        for i in range(0, n - 3, 4):
            c0[places[i]] += np.uint32(1)
            c1[places[i + 1]] += np.uint32(1)
            c2[places[i + 2]] += np.uint32(1)
            c3[places[i + 3]] += np.uint32(1)
        for i in range(n - n % 4, n):
            c0[places[i]] += np.uint32(1)
    for b in range(bins):
        counts[b] += np.int64(c0[b]) + np.int64(c1[b]) + np.int64(c2[b]) + np.int64(c3[b])
    return zeros
