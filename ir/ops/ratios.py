"""Float shape arithmetic followed exactly: cast(floor(cast(H) * 0.5)) is H // 2.

Exporters compute sizes in float32; every dim below 2**24 is exact there, so elements are followed
as fractions of a dim. Ops that take part implement ``Arithmetic.ratios``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgec.ir.contents import MAX_ELEMENTS, Contents, contents
from edgec.ir.dim_algebra import is_natural
from edgec.ir.dims import Dim
from edgec.ir.dtypes import DType
from edgec.ir.op import Op
from edgec.ir.value import Constant, Value

MAX_DEPTH = 8  # float ops between the cast of a dim and the cast back
MAX_DIVISOR = 1 << 16


@dataclass(frozen=True)
class Ratio:
    """numerator / divisor, the divisor positive."""

    numerator: Dim
    divisor: int = 1

    def __add__(self, other: Ratio) -> Ratio:
        scaled = self.numerator * other.divisor + other.numerator * self.divisor
        return Ratio(scaled, self.divisor * other.divisor)

    def __sub__(self, other: Ratio) -> Ratio:
        return self + Ratio(-other.numerator, other.divisor)

    def __mul__(self, other: Ratio) -> Ratio:
        return Ratio(self.numerator * other.numerator, self.divisor * other.divisor)

    def over(self, other: Ratio) -> Ratio | None:
        """The quotient, None when the other is not a known positive number."""
        if not isinstance(other.numerator, int) or other.numerator <= 0:
            return None
        return Ratio(self.numerator * other.divisor, self.divisor * other.numerator)

    def floor(self) -> Dim:
        return self.numerator // self.divisor

    def ceil(self) -> Dim:
        return -((-self.numerator) // self.divisor)

    def truncated(self) -> Dim | None:
        """Rounded towards zero, None when the sign is not known."""
        if is_natural(self.numerator):
            return self.floor()
        return self.ceil() if is_natural(-self.numerator) else None


Ratios: TypeAlias = NDArray[np.object_]


class Arithmetic(Op):
    """Base of the ops through which shape arithmetic may pass."""

    def ratios(self, depth: int) -> Ratios | None:
        """The elements of a float result as ratios; None when they are not known."""
        return None


def ratios(value: Value, depth: int = MAX_DEPTH) -> Ratios | None:
    """The elements of a small float value as ratios of dims, None when they are not known."""
    if value.type.elements() > MAX_ELEMENTS or depth == 0:
        return None
    if isinstance(value, Constant):
        return _of_constant(value)
    producer = value.producer
    return producer.ratios(depth - 1) if isinstance(producer, Arithmetic) else None


def ratios_of_ints(value: Value) -> Ratios | None:
    """The contents of an integer value, as ratios."""
    found = contents(value)
    return None if found is None else each(Ratio, found)


def each(function: Callable[..., Any], *arrays: Any) -> NDArray[np.object_] | None:
    """``function`` of the elements of broadcast object arrays; None when an array is None or the
    function gives None for some element."""
    if any(array is None for array in arrays):
        return None
    spread = np.broadcast_arrays(*arrays)
    found = np.empty(spread[0].shape, dtype=object)
    for index in np.ndindex(found.shape):
        element = function(*(array[index] for array in spread))
        if element is None:
            return None
        found[index] = element
    return found


def fitting(found: Contents | None, dtype: DType) -> Contents | None:
    """The contents where integers of that type hold them without wrapping, else None: known
    elements are compared with its limits, dims want 32 bits."""
    low, high = dtype.limits

    def held(element: Dim) -> Dim | None:
        fits = low <= element <= high if isinstance(element, int) else dtype.bits >= 32
        return element if fits else None

    return each(held, found)


def _of_constant(value: Constant) -> Ratios | None:
    found = np.empty(value.array.shape, dtype=object)
    for index in np.ndindex(found.shape):
        element = float(value.array[index])
        if not np.isfinite(element):
            return None
        fraction = Fraction(element)
        if fraction.denominator > MAX_DIVISOR:
            return None
        found[index] = Ratio(fraction.numerator, fraction.denominator)
    return found
