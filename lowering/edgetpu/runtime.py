"""A Coral device, where there is one: libedgetpu as LiteRT's delegate, and pycoral told apart from
the other package of that name."""

from __future__ import annotations

import ctypes.util
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from edgec.lowering.target import Runner
from edgec.lowering.tflite.metadata import said_of
from edgec.lowering.tflite.runner import TfliteRunner
from edgec.lowering.tflite.runtime import LitertRuntime

LIBRARIES = {"linux": "libedgetpu.so.1", "darwin": "libedgetpu.1.dylib", "win32": "edgetpu.dll"}
COMPILED = b"edgetpu-custom-op"


@dataclass(frozen=True)
class EdgeTpuRuntime(LitertRuntime):
    """LiteRT; with libedgetpu it runs on the device, without on the CPU, to the same integers."""


RUNTIME = EdgeTpuRuntime("ai_edge_litert", "tflite")


def delegate_library() -> str | None:
    """The name of libedgetpu as the system loads it, None where it is not installed."""
    name = LIBRARIES.get(sys.platform)
    if name is None:
        return None
    try:
        ctypes.CDLL(name)
    except OSError:
        return None
    return name


def pycoral_status() -> str:
    """Which pycoral is installed: ``real``, ``missing``, or what is wrong with it."""
    spec = find_spec("pycoral")
    if spec is None:
        return "missing"
    folders = list(spec.submodule_search_locations or ())
    if any((Path(folder) / "utils" / "edgetpu.py").exists() for folder in folders):
        return "real"
    return (
        "the installed package named pycoral is not Coral's: on PyPI that name belongs to a tool "
        "for maps of coral reefs. Coral's own comes from its package feed"
    )


def load(path: Path, threads: int) -> Runner:
    """The compiled file on the device where both are there; else the file that was compiled, in
    LiteRT's reference kernels, which define the integers.

    Raises:
        Error: the file does not load; a compiled one wants libedgetpu.
    """
    library = delegate_library()
    compiled = path.with_name(f"{path.stem}_edgetpu.tflite")
    if library is not None and compiled.exists():
        return _on_device(compiled, threads, library, like=path)
    if library is not None and path.exists() and COMPILED in path.read_bytes():
        return _on_device(path, threads, library, like=path)
    return TfliteRunner(path, threads, resolver="reference")


def _on_device(path: Path, threads: int, library: str, like: Path) -> Runner:
    """Whether or not the compiler kept what the file says of how inputs were turned: it is what
    the original says."""
    said = said_of(like.read_bytes())
    return TfliteRunner(path, threads, resolver="builtin", delegates=[library], said=said)
