"""What the axes of the inputs stand for, which OpenVINO keeps beside them (``NCHW``, ``NHWC``)."""

from __future__ import annotations

from collections.abc import Iterator

from edgec.ir import Elementwise, Graph, LayoutSensitive, Op, Value
from edgec.ir.ops import Dequantize, Quantize

KEY = "layout."  # in the metadata, before the input's name
_NAMES = {
    (3, "nchw"): "NCW", (3, "nhwc"): "NWC",
    (4, "nchw"): "NCHW", (4, "nhwc"): "NHWC",
    (5, "nchw"): "NCDHW", (5, "nhwc"): "NDHWC",
}  # fmt: skip
_MOST_STEPS = 8


def layouts_of(graph: Graph) -> dict[Value, str]:
    """By input: what the metadata say, or else what the first op that asks for a layout reads."""
    found = {}
    for value in graph.inputs:
        said = graph.metadata.get(f"{KEY}{value.hint}") or next(_read_as(value), "")
        if said:
            found[value] = said
    return found


def _read_as(value: Value, steps: int = _MOST_STEPS) -> Iterator[str]:
    """Layouts in which ops read a value, or what elementwise ops make of it."""
    for op in value.users if steps else ():
        if op.has(LayoutSensitive) and op.operands[0] is value:
            name = _NAMES.get((value.type.rank, op.attribute("layout")))
            if name:
                yield name
        elif _is_pointwise(op) and op.results[0].type.rank == value.type.rank:
            yield from _read_as(op.results[0], steps - 1)


def _is_pointwise(op: Op) -> bool:
    return op.has(Elementwise) or isinstance(op, (Quantize, Dequantize))
