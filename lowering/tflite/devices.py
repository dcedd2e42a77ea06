"""Files for what has no operating system around it: fixed dims, integers in and out where the model
has them, channels last."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgec.ir import Code, Error, Finding, Graph
from edgec.ir.ops import IntegerConv, IntegerLinear, IntegerQuantize
from edgec.lowering.tflite.files import check_expressible, to_file
from edgec.lowering.tflite.tensors import File

EDGES = {"io_layout": "nhwc", "io_dtype": "int8"}
CALIBRATE = "--precision int8 --calibration DIR|X.npz"


def refused_by_integer_device(graph: Graph) -> list[Finding]:
    """What cannot go to an accelerator of 8-bit integers: floats alone, open dims, what no builtin
    says."""
    if not any(isinstance(op, (IntegerConv, IntegerLinear, IntegerQuantize)) for op in graph.ops):
        why = "the model computes in floats, and the accelerator on 8-bit integers only"
        return [Finding(why, "", CALIBRATE)]
    return open_inputs(graph) or check_expressible(graph)


def open_inputs(graph: Graph) -> list[Finding]:
    """One finding per input whose dims are not all known."""
    return [
        Finding(
            f"{value.type} has dims that are not known, and memory is planned ahead",
            f"input {value.hint}",
            f"--input-shape {value.hint}:{_pinned(value.type.dims)}",
        )
        for value in graph.inputs
        if value.type.static_dims is None
    ]


def _pinned(dims: Any) -> str:
    """Dims to suggest: a batch of 1 in front, other open ones for the user to fill in."""
    shown = [dim if isinstance(dim, int) else "1" if not i else "N" for i, dim in enumerate(dims)]
    return "x".join(map(str, shown))


def device_file(graph: Graph, options: Mapping[str, Any]) -> tuple[File, list[str]]:
    """The graph as a file, and what to know of it: integers go in and come out where the model's
    edges are integers, else floats.

    Args:
        options: those of ``to_file``, over ``EDGES``.

    Raises:
        Error: of kind UNSUPPORTED, with one finding per op that cannot be written.
    """
    given = {**EDGES, **options}
    try:
        return to_file(graph, **given), []
    except Error as error:
        if given["io_dtype"] == "float":
            raise
        file = to_file(graph, **{**given, "io_dtype": "float"})
        found = "; ".join(finding.message for finding in error.findings)
        return file, [f"inputs and outputs stay floats: {found}"]


def require_suffix(path: Path, suffix: str) -> None:
    """Raises Error of kind USAGE for a path of another suffix."""
    if path.suffix != suffix:
        raise Error(Code.SUFFIX, f"these files are named {suffix}, found {path.name!r}",
                    instead=path.with_suffix(suffix).name)  # fmt: skip
