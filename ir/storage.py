"""Graphs on disk: ``x.eir`` holds the text, ``x.safetensors`` beside it the weights by digest."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from edgec.ir.codes import Code, Kind
from edgec.ir.diagnostics import Error
from edgec.ir.dtypes import dtype_named, dtype_of
from edgec.ir.graph import Graph
from edgec.ir.parser import parse_graph
from edgec.ir.printer import is_inline, print_graph
from edgec.ir.weight import Array

MAX_TEXT_BYTES = 1 << 30


Write: TypeAlias = Callable[[Path], None]


def write_atomically(path: Path, write: Write) -> None:
    """Let ``write`` fill a temporary file beside ``path`` and rename it when it is complete.

    Nothing partial is ever seen at ``path``, and an earlier file there survives a failure.

    Raises:
        Error: the folder does not exist, or the disk refuses.
    """
    write_together([(path, write)])


def write_together(files: Sequence[tuple[Path, Write]]) -> None:
    """Write several files that belong together: none is renamed before all are complete.

    Raises:
        Error: as ``write_atomically``.
    """
    finished: list[tuple[Path, Path]] = []
    try:
        for path, write in files:
            with _reported(path):
                finished.append((_temporary(path), path))
                write(finished[-1][0])
                finished[-1][0].chmod(_usual_mode())
        for temporary, path in finished:
            with _reported(path):
                temporary.replace(path)
    finally:
        for temporary, _ in finished:
            temporary.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    """A new file beside ``path``."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    return Path(name)


def _usual_mode() -> int:
    """The permissions that any other new file would have; temporary files are private, and a
    library may have replaced ours by its own."""
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise Error(Kind.LOWERING, f"cannot write {path}: {why}") from error
    except SafetensorError as error:
        raise Error(Kind.LOWERING, f"cannot write {path}: {error}") from error


def save_text(graph: Graph, path: Path, *, comment: str = "") -> None:
    """Write a graph as ``path`` (.eir) and, when it has large constants, the sidecar beside it.

    Args:
        comment: one line of text to stand above the graph.
    """
    constants = {c.weight.digest: c.weight.array for c in graph.constants if not is_inline(c)}
    text = (f"# {comment}\n" if comment else "") + print_graph(graph) + "\n"
    files: list[tuple[Path, Write]] = [(path, lambda p: _write_text(text, p))]
    if constants:
        weights = path.with_suffix(".safetensors")
        files.insert(0, (weights, lambda p: _write_tensors(constants, p)))
    write_together(files)


def load_text(path: Path) -> Graph:
    """Read a graph written by ``save_text``. The sidecar is mapped; its pages are read once, to
    compare every digest, and can be dropped again.

    Raises:
        Error: the text is not a graph, or the sidecar lacks a weight or is corrupt.
    """
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise Error(Kind.READ, f"{path} is larger than {MAX_TEXT_BYTES} bytes")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Error(Code.NO_FILE, f"cannot read {path}: {error}") from error
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
        raise Error(Code.WEIGHTS, f"cannot read the weights in {path}: {error}") from error


def _view(data: Array, offsets: list[int], dtype: str, shape: list[int]) -> Array:
    begin, end = offsets
    return data[begin:end].view(dtype_named(dtype).numpy).reshape(shape)


def _write_tensors(constants: Mapping[str, Array], path: Path) -> None:
    """Types that numpy itself lacks are stored as unsigned integers of their size; the metadata
    names every array's own type."""
    stored = {digest: _plain(array) for digest, array in sorted(constants.items())}
    types = {digest: dtype_of(array.dtype).name for digest, array in constants.items()}
    save_file(stored, path, metadata=dict(sorted(types.items())))


def _plain(array: Array) -> Array:
    contiguous = np.asarray(array, order="C")
    native = array.dtype.isbuiltin == 1
    return contiguous if native else contiguous.view(f"u{array.itemsize}")


def _write_text(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")
