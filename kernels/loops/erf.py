"""The error function, and the Gaussian activation that is defined by it, element by element."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgec.kernels.jit import flat_input, jit

Array = NDArray[np.floating]


def erf(x: Array, *, out: Array) -> None:
    """``out`` = erf(x), computed in double precision; ``out`` is contiguous."""
    _erf(flat_input(x), out.reshape(-1))


def gelu(x: Array, *, out: Array) -> None:
    """``out`` = x * (1 + erf(x / sqrt 2)) / 2, computed in double precision; erfc keeps the
    relative precision of the left tail. ``out`` is contiguous."""
    _gelu(flat_input(x), out.reshape(-1))


@jit
def _erf(x: Array, out: Array) -> None:
    for i in range(x.size):
        out[i] = math.erf(np.float64(x[i]))


@jit
def _gelu(x: Array, out: Array) -> None:
    for i in range(x.size):
        wide = np.float64(x[i])
        out[i] = 0.5 * wide * math.erfc(-0.7071067811865476 * wide)
