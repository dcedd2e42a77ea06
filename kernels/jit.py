"""Compiled loops: the one place that knows the compiler (numba)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryFile
from time import perf_counter
from typing import Any, ParamSpec, TypeVar, cast

import llvmlite.binding
import llvmlite.ir as llvm
import numba
import numpy as np
from numba.core import event, types
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.extending import intrinsic
from numpy.typing import NDArray

__all__ = [
    "flat_input",
    "host_has",
    "instructions",
    "jit",
    "llvm",
    "report_compilations",
    "scalar",
]

P = ParamSpec("P")
R = TypeVar("R")
CompileReport = Callable[[str, float], None]

NUMBA: Any = numba.config  # its settings are set at run time, unseen by type checkers

# contract gives fused multiply-add, reassoc lets reductions run in vector lanes, nsz frees both
# from tracking the sign of zero. nnan, ninf, arcp and afn stay out: the kernels judge other
# runtimes, so a NaN or an infinity must come out exactly where IEEE 754 puts it.
FASTMATH = frozenset({"contract", "reassoc", "nsz"})


class _DisjointArguments(CompilerBase):
    """Compile under the promise that array arguments do not overlap.

    LLVM otherwise guards each vector loop with one overlap test per pair of pointers, and gives
    up on the nine-tap loops of convolution, which have more pairs than its limit.
    """

    def define_pipelines(self) -> list[Any]:
        self.state.flags.noalias = True
        build: Any = DefaultPassBuilder.define_nopython_pipeline
        return [build(self.state)]


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile ``function`` on first call, once per argument types, and keep it on disk.

    Arrays that the function writes must not overlap its other arguments. Division by zero follows
    IEEE 754, and other Python threads run meanwhile.
    """
    source = Path(function.__code__.co_filename).resolve()
    folder = _cache_folder(source.parent)
    with _numba_cache(folder):
        compiled = numba.njit(
            cache=folder is not None,
            nogil=True,
            error_model="numpy",
            fastmath=set(FASTMATH),
            pipeline_class=_DisjointArguments,
        )(function)
    return cast("Callable[P, R]", compiled)


def instructions(emit: Callable[..., None]) -> Callable[[tuple[Any, ...]], None]:
    """A function for compiled code whose body ``emit(builder, *arguments)`` writes in LLVM's terms.

    It is called with one tuple: ``emit`` gets the address of the first element of each contiguous
    array in it, and the number (i64) for each int.
    """

    @intrinsic
    def function(typing: Any, arguments: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            values = []
            for index, type in enumerate(arguments):
                value = builder.extract_value(given[0], index)
                if isinstance(type, types.Array):
                    value = context.make_array(type)(context, builder, value).data
                values.append(value)
            emit(builder, *values)
            return context.get_dummy_value()

        return types.void(arguments), generate

    return cast("Callable[[tuple[Any, ...]], None]", function)


@cache
def host_has(feature: str) -> bool:
    """True when this CPU has the feature of that name (LLVM's), and numba compiles for it."""
    compiled_for = NUMBA.CPU_NAME
    found = llvmlite.binding.get_host_cpu_features()
    return compiled_for in (None, "host") and bool(found.get(feature, False))


@cache
def _cache_folder(sources: Path) -> Path | None:
    """A writable folder named after all sources beside the function, or None.

    Functions inline each other across files, while numba's own key is the caller's file alone: it
    would go on running the old body of an edited callee.
    """
    digest = sha256(Path(__file__).read_bytes())
    for path in sorted(sources.glob("*.py")):
        digest.update(path.read_bytes())
    name = f"compiled-{digest.hexdigest()[:16]}"
    for base in _cache_bases(sources):
        try:
            fresh = not (base / name).is_dir()
            (base / name).mkdir(parents=True, exist_ok=True)
            TemporaryFile(dir=base / name).close()
        except OSError:
            continue
        if fresh:
            for stale in set(base.glob("compiled-*")) - {base / name}:
                rmtree(stale, ignore_errors=True)
        return base / name
    return None


def _cache_bases(sources: Path) -> list[Path]:
    chosen = NUMBA.CACHE_DIR
    if chosen:
        return [Path(chosen) / sources.name]
    place = sha256(str(sources).encode()).hexdigest()[:16]
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return [sources / "__pycache__", user / "edgec" / place]


@contextmanager
def _numba_cache(folder: Path | None) -> Iterator[None]:
    """Let numba cache the functions declared inside in ``folder``."""
    before = NUMBA.CACHE_DIR
    NUMBA.CACHE_DIR = str(folder or before)
    try:
        yield
    finally:
        NUMBA.CACHE_DIR = before


def flat_input(array: NDArray[Any]) -> NDArray[Any]:
    """A flat, read-only view of a contiguous array (a copy of any other).

    numba compiles once more for read-only arrays, and mapped weights are read-only: presenting
    every input as read-only keeps it to one specialization.
    """
    view = array.reshape(-1) if array.flags.c_contiguous else array.ravel()
    view.flags.writeable = False
    return view


class _CompileListener(event.Listener):
    def __init__(self, report: CompileReport) -> None:
        self.report = report
        self.started: list[float] = []

    def on_start(self, _event: event.Event) -> None:
        self.started.append(perf_counter())

    def on_end(self, ended: event.Event) -> None:
        seconds = perf_counter() - self.started.pop()
        if not self.started:
            function = ended.data["dispatcher"].py_func
            self.report(f"{function.__module__}.{function.__qualname__}", seconds)


@contextmanager
def report_compilations(report: CompileReport) -> Iterator[None]:
    """Call ``report(name, seconds)`` after each compilation inside the ``with`` block.

    A function loaded from the disk cache is not reported. What a function calls is compiled within
    it: only the outermost name is reported, with the whole time.
    """
    with event.install_listener("numba:compile", _CompileListener(report)):
        yield


def scalar(dtype: np.dtype[Any], value: float) -> Any:
    """``value`` as a scalar of ``dtype``, so that a Python float does not widen the loop."""
    return dtype.type(value)
