"""Random but reproducible inputs for a graph."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np

from edgec.ir import Array, Code, Error, Graph, TensorType, evaluate, symbols

# Sizes of symbolic dims: a batch of one, images of a size that every stride of the usual networks
# divides, sequences as long as a frame of audio or a page of tokens.
BATCH, SPATIAL, SEQUENCE = 1, 64, 512


def seeded_inputs(
    graph: Graph, *, seed: int = 0, shapes: Mapping[str, int] | None = None
) -> dict[str, Array]:
    """Arrays by input name: floats normal with deviation 1, integers 0 or 1, bools either.

    Args:
        seed: another seed, other numbers; an input's numbers also depend on its name.
        shapes: values of dimension symbols, over those of ``default_shapes``.
    """
    bindings = default_shapes(graph) | dict(shapes or {})
    return {
        value.hint: _random(value.type, bindings, [seed, zlib.crc32(value.hint.encode())])
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


def _random(type: TensorType, bindings: Mapping[str, int], seed: list[int]) -> Array:
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
        return rng.integers(0, 2, shape).astype(type.dtype.numpy)
    return rng.standard_normal(shape).astype(type.dtype.numpy)
