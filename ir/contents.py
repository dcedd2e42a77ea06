"""Elements of small integer tensors as dims: how shape arithmetic is followed symbolically.

``contents(v)`` is an object array of dims (ints or expressions) when the elements of ``v`` follow
from constants and shapes, else None. Op classes that compute shapes implement ``Op.contents``.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgec.ir.dims import ANY, DimExpr
from edgec.ir.value import Constant, Value

Contents: TypeAlias = NDArray[np.object_]

MAX_ELEMENTS = 1024  # a shape has few elements; a table of indices is not a shape

_UNKNOWN: Contents = np.empty(0, dtype=object)


def contents(value: Value) -> Contents | None:
    """The elements of an integer or bool value as dims, None when they are not known."""
    if isinstance(value, Constant):
        return _of_constant(value)
    memo = value.contents_memo
    if memo is None:
        memo = value.contents_memo = _of_result(value)
    return None if memo is _UNKNOWN else memo


def known_ints(value: Value | None) -> tuple[int, ...] | None:
    """The elements of a value in row-major order when all of them are plain ints."""
    if value is None:
        return None
    if isinstance(value, Constant):
        if not (value.type.dtype.is_integer or value.type.dtype.family == "bool"):
            return None
        return tuple(int(element) for element in value.array.reshape(-1))
    found = contents(value)
    if found is None:
        return None
    elements = tuple(found.reshape(-1))
    return elements if all(isinstance(element, int) for element in elements) else None


def as_contents(elements: Any) -> Contents:
    """An object array from nested lists of dims."""
    array = np.empty(np.shape(elements), dtype=object)
    array[...] = elements
    return array


def _of_constant(value: Constant) -> Contents | None:
    dtype = value.type.dtype
    if not (dtype.is_integer or dtype.family == "bool") or value.array.size > MAX_ELEMENTS:
        return None
    found = np.empty(value.array.shape, dtype=object)
    found.reshape(-1)[:] = [int(element) for element in value.array.reshape(-1)]
    return found


def _of_result(value: Value) -> Contents:
    dtype = value.type.dtype
    small = value.type.static_dims
    if (
        value.producer is None
        or not (dtype.is_integer or dtype.family == "bool")
        or small is None
        or value.type.elements() > MAX_ELEMENTS
    ):
        return _UNKNOWN
    found = value.producer.contents(value.index)
    if found is None or any(element is ANY for element in found.reshape(-1)):
        return _UNKNOWN
    if found.shape != small:
        raise AssertionError(f"{value.producer!r} computes contents of shape {found.shape}")
    return found


def is_symbolic(found: Contents) -> bool:
    """True when some element is an expression."""
    return any(isinstance(element, DimExpr) for element in found.reshape(-1))
