"""Progress of long work, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import track

T = TypeVar("T")


def tracked(items: Iterable[T], what: str, total: int) -> Iterable[T]:
    """The items, with a progress bar on standard error when it is a terminal."""
    if not sys.stderr.isatty():
        return items
    return track(items, what, total=total, console=Console(stderr=True), transient=True)


@contextmanager
def compiling_kernels() -> Iterator[None]:
    """Say so while reference kernels are compiled (on first use on a machine)."""
    from edgec.kernels.jit import report_compilations

    total = 0.0

    def note(name: str, seconds: float) -> None:
        nonlocal total
        total += seconds
        if sys.stderr.isatty():
            print(
                f"\rcompiling kernels for this machine: {name}, {total:.0f} s\033[K",
                end="",
                file=sys.stderr,
                flush=True,
            )

    with report_compilations(note):
        yield
    if total and sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
