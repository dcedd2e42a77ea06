"""Smaller shapes: one size at a time, wherever it occurs; else one axis of one input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from edgec.ir import Array, Constant, Graph, TensorType, Value
from edgec.tools.reduce.change import Change

SMALL = (1, 2, 3, 4, 8)


def smaller_shapes(graph: Graph) -> Iterator[Change]:
    """Each size that occurs as a dim, made smaller in all inputs, weights and attributes; then in
    inputs and weights only; then one axis of one input."""
    for size in _sizes(graph):
        for small in (*(s for s in SMALL if s < size), size // 2):
            if 0 < small < size:
                yield from _resized(graph, size, small)
    for value in graph.inputs:
        dims = value.type.dims
        for axis, dim in enumerate(dims):
            if isinstance(dim, int):
                for small in (s for s in SMALL if s < dim):
                    changed = (*dims[:axis], small, *dims[axis + 1 :])
                    yield Change(types={value: value.type.with_dims(changed)})


def _sizes(graph: Graph) -> list[int]:
    """The sizes of all dims of inputs and weights, largest first."""
    values = (*graph.inputs, *graph.constants)
    dims = {dim for value in values for dim in value.type.dims}
    return sorted((dim for dim in dims if isinstance(dim, int) and dim > 1), reverse=True)


def _resized(graph: Graph, size: int, small: int) -> Iterator[Change]:
    types: dict[Value, TensorType] = {
        value: _with_size(value.type, size, small)
        for value in graph.inputs
        if size in value.type.dims
    }
    constants: dict[Value, Array] = {
        constant: _cut(constant, size, small)
        for constant in graph.constants
        if size in constant.type.dims and constant.type.quant is None
    }
    attributes: dict[Any, dict[str, Any]] = {}
    for op in graph.ops:
        named = {
            name: _replaced(value, size, small)
            for name, value in op.attributes.items()
            if _mentions(value, size)
        }
        if named:
            attributes[op] = named
    if attributes:
        yield Change(types=types, constants=constants, attributes=attributes)
    yield Change(types=types, constants=constants)


def _with_size(type: TensorType, size: int, small: int) -> TensorType:
    return type.with_dims(tuple(small if dim == size else dim for dim in type.dims))


def _cut(constant: Constant, size: int, small: int) -> Array:
    """The first elements along every axis of that size."""
    places = tuple(slice(small if dim == size else None) for dim in constant.type.dims)
    return np.ascontiguousarray(constant.array[places])


def _mentions(value: object, size: int) -> bool:
    return value == size or (isinstance(value, tuple) and size in value)


def _replaced(value: Any, size: int, small: int) -> Any:
    if isinstance(value, tuple):
        return tuple(small if item == size else item for item in value)
    return small
