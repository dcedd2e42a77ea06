"""Bounds of the dims that are not known when an engine is built."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edgec.ir import Code, Error, Graph, Ints, TensorType, Value, evaluate
from edgec.kernels import default_shapes

EXAMPLE = "--shapes input:1x3x224x224/4x3x224x224/8x3x224x224"


@dataclass(frozen=True)
class Bounds:
    """The least dims of an input, those to optimize for, and the greatest."""

    least: Ints
    usual: Ints
    most: Ints

    def __str__(self) -> str:
        found = (self.least, self.usual, self.most)
        return "/".join("x".join(map(str, dims)) for dims in found)


def parse_bounds(texts: Iterable[str]) -> dict[str, Bounds]:
    """``name:least/usual/most``, dims as in 1x3x224x224; one shape stands for all three.

    Raises:
        Error: of kind USAGE.
    """
    found = {}
    for text in texts:
        name, colon, shapes = text.rpartition(":")
        parts = [tuple(map(int, part.split("x"))) for part in shapes.split("/")
                 if re.fullmatch(r"\d+(x\d+)*", part)]  # fmt: skip
        if not colon or len(parts) != shapes.count("/") + 1 or len(parts) not in (1, 3):
            raise Error(Code.INPUTS, f"--shapes {text} is not name:least/usual/most",
                        instead=EXAMPLE)  # fmt: skip
        found[name] = Bounds(*(parts if len(parts) == 3 else parts * 3))
    return found


def bounds_of(graph: Graph, given: Mapping[str, Bounds]) -> dict[str, Bounds]:
    """The bounds of every input with unknown dims: those given, or a batch of one and the sizes
    that random inputs get.

    Raises:
        Error: of kind USAGE, when a name or a shape does not fit.
    """
    strange = sorted(set(given) - set(graph.input_names))
    if strange:
        raise Error(Code.INPUTS, f"--shapes names no inputs of the model: {strange}",
                    instead=f"its inputs are {list(graph.input_names)}")  # fmt: skip
    return {
        value.hint: _bounds(graph, value, given.get(value.hint))
        for value in graph.inputs
        if not value.type.is_static or value.hint in given
    }


def _bounds(graph: Graph, value: Value, given: Bounds | None) -> Bounds:
    if given is None:
        usual = _default(value.type, default_shapes(graph))
        return Bounds(usual, usual, usual)
    ordered = zip(given.least, given.usual, given.most, strict=False)
    shapes = (given.least, given.usual, given.most)
    fits = all(_fits(value.type, dims) for dims in shapes)
    if not fits or not all(a <= b <= c for a, b, c in ordered):
        found = f"{given} does not bound input {value.hint!r}, which is {value.type}"
        raise Error(Code.INPUTS, found, instead=EXAMPLE)
    return given


def _default(type: TensorType, symbols: Mapping[str, int]) -> Ints:
    return tuple(dim if isinstance(dim, int) else evaluate(dim, symbols) for dim in type.dims)


def _fits(type: TensorType, dims: Ints) -> bool:
    return len(dims) == type.rank and all(
        not isinstance(dim, int) or dim == size for dim, size in zip(type.dims, dims, strict=True)
    )
