"""Graphs on disk: ``x.eir`` holds the text, ``x.safetensors`` beside it the weights by digest."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from edgec.ir.diagnostics import Error, Kind
from edgec.ir.dtypes import dtype_named, dtype_of
from edgec.ir.graph import Graph
from edgec.ir.parser import parse_graph
from edgec.ir.printer import is_inline, print_graph
from edgec.ir.weight import Array

MAX_TEXT_BYTES = 1 << 30


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file beside ``path`` and rename it when it is complete.

    Nothing partial is ever seen at ``path``, and an earlier file there survives a failure.

    Raises:
        Error: the folder does not exist, or the disk refuses.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise Error(Kind.LOWERING, f"cannot write {path}: {error.strerror}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        raise Error(Kind.LOWERING, f"cannot write {path}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def save_text(graph: Graph, path: Path) -> None:
    """Write a graph as ``path`` (.eir) and, when it has large constants, the sidecar beside it."""
    constants = {
        c.weight.digest: c.weight.array for c in graph.constants if not is_inline(c)
    }
    if constants:
        write_atomically(path.with_suffix(".safetensors"), lambda p: _write_tensors(constants, p))
    text = print_graph(graph) + "\n"
    write_atomically(path, lambda p: _write_text(text, p))


def load_text(path: Path) -> Graph:
    """Read a graph written by ``save_text``. The sidecar is mapped, not read.

    Raises:
        Error: the text is not a graph, or the sidecar lacks a weight or is corrupt.
    """
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise Error(Kind.READ, f"{path} is larger than {MAX_TEXT_BYTES} bytes")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Error(Kind.READ, f"cannot read {path}: {error}") from error
    return parse_graph(text, sidecar(path.with_suffix(".safetensors")))


def sidecar(path: Path) -> Mapping[str, Array]:
    """Arrays by digest in a safetensors file, mapped rather than read; empty when there is none.

    Raises:
        Error: the file is corrupt.
    """
    if not path.exists():
        return {}
    try:
        with safe_open(path, framework="numpy"):
            pass  # the library validates the header: sizes, offsets, overlaps
        data = np.memmap(path, dtype=np.uint8, mode="r")
        length = int.from_bytes(data[:8].tobytes(), "little")
        header = json.loads(data[8 : 8 + length].tobytes())
        types = header.pop("__metadata__", {})
        return {
            digest: _view(data[8 + length :], entry["data_offsets"], types[digest], entry["shape"])
            for digest, entry in header.items()
        }
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise Error(Kind.READ, f"cannot read the weights in {path}: {error}") from error


def _view(data: Array, offsets: list[int], dtype: str, shape: list[int]) -> Array:
    begin, end = offsets
    return data[begin:end].view(dtype_named(dtype).numpy).reshape(shape)


def _write_tensors(constants: Mapping[str, Array], path: Path) -> None:
    """Types that safetensors' numpy side does not know are stored as bytes; the metadata names
    every array's own type."""
    stored = {
        digest: np.ascontiguousarray(array) if array.dtype.isbuiltin else _as_bytes(array)
        for digest, array in sorted(constants.items())
    }
    types = {digest: dtype_of(array.dtype).name for digest, array in constants.items()}
    save_file(stored, path, metadata=dict(sorted(types.items())))


def _as_bytes(array: Array) -> Array:
    flat = np.ascontiguousarray(array).view(np.uint8)
    return flat if array.ndim else flat.reshape(())


def _write_text(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")
