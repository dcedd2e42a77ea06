"""Files for the Edge TPU: integers in and out, channels last, forms that the compiler knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgec.ir import Graph, write_atomically
from edgec.lowering.edgetpu.compiler import compile_file, installed_compiler
from edgec.lowering.edgetpu.rewrites import rewrite_operators
from edgec.lowering.tflite.container import pack
from edgec.lowering.tflite.devices import device_file, require_suffix
from edgec.lowering.tflite.tensors import File


def edgetpu_file(graph: Graph, options: Mapping[str, Any]) -> tuple[File, list[str]]:
    """The graph as a file for the compiler, and what to know of it.

    Args:
        options: io_layout and io_dtype, of ``to_file``.

    Raises:
        Error: of kind UNSUPPORTED, with one finding per op that cannot be written.
    """
    file, notes = device_file(graph, options)
    rewrite_operators(file.main)
    return file, notes


def write_edgetpu(graph: Graph, path: Path, options: Mapping[str, Any]) -> None:
    """Write ``path``, and beside it what ``edgetpu_compiler`` makes of it where that is installed:
    ``<stem>_edgetpu.tflite`` and its log.

    Raises:
        Error: as ``edgetpu_file``, the path will not do, or the compiler refuses the file.
    """
    require_suffix(path, ".tflite")
    file, _ = edgetpu_file(graph, options)
    data = pack(file)
    write_atomically(path, lambda stage: _fill(stage, data))
    compiler = installed_compiler()
    if compiler is not None:
        compile_file(path, file.main, compiler)


def _fill(path: Path, data: bytes) -> None:
    path.write_bytes(data)
