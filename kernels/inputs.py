"""Random but reproducible inputs for a graph."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np

from edgec.ir import Array, Code, Dim, Error, Graph, Op, Value, evaluate, known_ints, symbols
from edgec.ir.ops import (
    Cast,
    Equal,
    Expand,
    Gather,
    GatherElements,
    OneHot,
    Reshape,
    Slice,
    Split,
    Tile,
    Transpose,
)

# What hands integers on as they are.
_KEEPING = (Cast, Expand, Gather, Reshape, Slice, Split, Tile, Transpose)

# Sizes of symbolic dims: a batch of one, images of a size that every stride of the usual networks
# divides, sequences as long as a frame of audio or a page of tokens.
BATCH, SPATIAL, SEQUENCE = 1, 64, 512


def seeded_inputs(
    graph: Graph, *, seed: int = 0, shapes: Mapping[str, int] | None = None
) -> dict[str, Array]:
    """Arrays by input name: floats normal with deviation 1, bools either, integers from 0 up to the
    last that the graph has a row or a class for (see ``count_of``).

    Args:
        seed: another seed, other numbers; an input's numbers also depend on its name.
        shapes: values of dimension symbols, over those of ``default_shapes``.
    """
    bindings = default_shapes(graph) | dict(shapes or {})
    return {
        value.hint: _random(value, bindings, [seed, zlib.crc32(value.hint.encode())])
        for value in graph.inputs
    }


def default_shapes(graph: Graph) -> dict[str, int]:
    """A value for each symbol in the graph's inputs: 1 on a first axis; elsewhere 64 in images
    (rank 4 and up) and 512 in sequences."""
    found: dict[str, int] = {}
    for value in graph.inputs:
        for axis, dim in enumerate(value.type.dims):
            if not isinstance(dim, int):
                for name in symbols(dim):
                    inner = SPATIAL if value.type.rank >= 4 else SEQUENCE
                    found.setdefault(name, BATCH if axis == 0 else inner)
    return found


def count_of(value: Value) -> int:
    """How many integers from 0 on an input takes: the rows of the smallest table that it indexes,
    else the classes that it is compared with; 2 where nothing says more."""
    rows: list[int] = []
    classes = [2]
    pending, seen = [value], {value}
    while pending:
        one = pending.pop()
        for user in one.users:
            rows += _rows(user, one)
            classes += _classes(user, one)
            if isinstance(user, _KEEPING) and user.operands[0] is one:
                pending += [result for result in user.results if result not in seen]
                seen.update(user.results)
    return min(rows, default=max(classes))


def _rows(user: Op, value: Value) -> list[int]:
    """The size of the axis that the value indexes there."""
    size: Dim | None = None
    if isinstance(user, Gather | GatherElements) and user.indices is value:
        size = user.x.type.dims[user.axis]
    elif isinstance(user, OneHot) and user.indices is value:
        size = (known_ints(user.depth) or (None,))[0]
    return [size] if isinstance(size, int) and size > 0 else []


def _classes(user: Op, value: Value) -> list[int]:
    """How many classes there are up to the last that the value is compared with."""
    if not isinstance(user, Equal):
        return []
    known = known_ints(user.y if user.x is value else user.x)
    return [max(known) + 1] if known else []


def _random(value: Value, bindings: Mapping[str, int], seed: list[int]) -> Array:
    type = value.type
    rng = np.random.default_rng(seed)
    shape = tuple(dim if isinstance(dim, int) else evaluate(dim, bindings) for dim in type.dims)
    if any(size < 0 for size in shape):
        shown = ", ".join(f"{name}={size}" for name, size in bindings.items())
        raise Error(
            Code.INPUTS,
            f"an input of type {type} has a negative size where {shown}",
            instead="--input-shape",
        )
    if type.dtype.family == "bool":
        return np.asarray(rng.random(shape) < 0.5)
    if type.dtype.is_integer:
        count = min(count_of(value), int(type.dtype.limits[1]) + 1)
        return rng.integers(0, count, shape).astype(type.dtype.numpy)
    return rng.standard_normal(shape).astype(type.dtype.numpy)
