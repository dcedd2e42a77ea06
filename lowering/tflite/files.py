"""From a graph to the bytes of a .tflite file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edgec.ir import Code, Error, Finding, Graph, Kind, counted, write_atomically
from edgec.lowering.tflite.container import pack
from edgec.lowering.tflite.edges import Edges
from edgec.lowering.tflite.tensors import ENTRY, File, Subgraph, Tensor
from edgec.lowering.tflite.weights import halve_constants, keep_integers
from edgec.lowering.tflite.writer import Writer

PRECISIONS = ("fp32", "fp16")


def check_expressible(graph: Graph) -> list[Finding]:
    """One finding per op that cannot be written, with the reason."""
    writer = Writer()
    writer.write(graph)
    return writer.findings


def to_file(
    graph: Graph,
    *,
    precision: str = "fp32",
    io_layout: str = "nchw",
    io_dtype: str = "float",
    dynamic_range: bool = False,
    builtin_lstm: bool = False,
    metadata: Mapping[str, Any] | None = None,
) -> File:
    """The graph as what a file is made of.

    Args:
        precision: fp32, or fp16 to store the weights in half their size.
        io_layout: nhwc to take and give images with their channels last.
        io_dtype: int8 or uint8 to take and give the integers of an integer model.
        dynamic_range: multiply weights that are stored in 8 bits as integers, with activations
            that the kernels round to 8 bits while they run.
        builtin_lstm: write LSTM layers as the operator for whole sequences where it computes them.
        metadata: more that the file should say of itself.

    Raises:
        Error: of kind UNSUPPORTED, with one finding per op that cannot be written.
    """
    if precision not in PRECISIONS:
        raise Error(Code.OPTION, f"precision is one of {PRECISIONS}, found {precision!r}")
    edges = Edges(io_layout, io_dtype)
    writer = Writer(edges=edges, builtin_lstm=builtin_lstm)
    main = writer.write(graph)
    if writer.findings:
        count = counted(len(writer.findings), "op")
        raise Error(Kind.UNSUPPORTED, f"{count} cannot go to 'tflite'", writer.findings)
    for subgraph in main.nested:
        if dynamic_range:
            keep_integers(subgraph)
        if precision == "fp16":
            halve_constants(subgraph)
    _name_tensors(main)
    made = {
        "version": _version(),
        "precision": precision,
        "nhwc": edges.turned,
        "integers": edges.integers,
        **graph.metadata,
        **(metadata or {}),
    }
    return File(
        main,
        graph.input_names,
        graph.output_names,
        f"{graph.name}, by edgec {_version()}",
        {ENTRY: json.dumps(made, sort_keys=True)},
    )


def to_bytes(graph: Graph, **options: Any) -> bytes:
    """The bytes of the graph's .tflite file. Raises Error as ``to_file`` and ``pack`` do."""
    return pack(to_file(graph, **options))


def write_tflite(graph: Graph, path: Path, **options: Any) -> None:
    """Write ``path``.

    Args:
        options: those of ``to_file``.

    Raises:
        Error: as ``to_bytes``, or the path will not do.
    """
    if path.suffix != ".tflite":
        raise Error(Code.SUFFIX, f"LiteRT's files are named .tflite, found {path.name!r}",
                    instead=path.with_suffix(".tflite").name)  # fmt: skip
    data = to_bytes(graph, **options)
    write_atomically(path, lambda stage: _fill(stage, data))


def _name_tensors(main: Subgraph) -> None:
    """Make names unique; those that the user knows stay."""
    tensors: Sequence[Tensor] = [t for subgraph in main.nested for t in subgraph.tensors]
    taken: dict[str, int] = {tensor.name: 0 for tensor in tensors if tensor.fixed}
    for tensor in dict.fromkeys(tensors):
        if tensor.fixed:
            continue
        base = name = tensor.name or "tensor"
        while name in taken:
            taken[base] += 1
            name = f"{base}.{taken[base]}"
        taken[name] = 0
        tensor.name = name


def _version() -> str:
    try:
        return version("edgec")
    except PackageNotFoundError:
        return "(not installed)"


def _fill(path: Path, data: bytes) -> None:
    path.write_bytes(data)
