"""Compiled loops: the one place that knows the compiler (numba)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, ParamSpec, TypeVar, cast

import numba
import numpy as np
from numba.core import event
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numpy.typing import NDArray

P = ParamSpec("P")
R = TypeVar("R")
CompileReport = Callable[[str, float], None]

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
    options: dict[str, Any] = {
        "nogil": True,
        "error_model": "numpy",
        "fastmath": set(FASTMATH),
        "pipeline_class": _DisjointArguments,
    }
    try:
        compiled = numba.njit(cache=True, **options)(function)
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        # Neither the package folder nor the user's cache folder can be written.
        compiled = numba.njit(cache=False, **options)(function)
    return cast("Callable[P, R]", compiled)


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
