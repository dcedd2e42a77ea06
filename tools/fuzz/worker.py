"""Cases run in forked workers, under limits of memory and time that nothing escapes."""

from __future__ import annotations

import os
import resource
import signal
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

MEMORY = 4 << 30  # bytes of address space
SECONDS = 10  # for one case
CASES = 2000  # after so many a fresh worker takes over

Run: TypeAlias = Callable[[int], str]


@dataclass(frozen=True)
class Result:
    """What became of a case: one word, and the traceback where it was an exception."""

    case: int
    outcome: str
    detail: str = ""


def results(cases: Iterable[int], run: Run) -> Iterator[Result]:
    """Run the cases one after the other; each returns a word, or fails by raising, by dying, or by
    taking longer than ``SECONDS``."""
    waiting = list(cases)
    while waiting:
        done = 0
        for result in _worker(waiting[:CASES], run):
            done += 1
            yield result
        del waiting[:done]


def _worker(cases: list[int], run: Run) -> Iterator[Result]:
    """The results of one worker; the last one is the case at which it died, if it did."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the worker starts no threads
        child = os.fork()
    if not child:
        os.close(read)
        _serve(cases, run, write)
    os.close(write)
    done = 0
    with os.fdopen(read, "rb") as pipe:
        for record in _records(pipe):
            outcome, _, detail = record.partition("\n")
            yield Result(cases[done], outcome, detail)
            done += 1
    _, status = os.waitpid(child, 0)
    if done < len(cases) and os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        hung = number == signal.SIGALRM
        yield Result(
            cases[done], f"more than {SECONDS} s" if hung else f"killed by signal {number}"
        )


def _serve(cases: list[int], run: Run, pipe: int) -> None:
    """The worker: it never returns."""
    try:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        for case in cases:
            signal.alarm(SECONDS)
            _send(pipe, run(case))
            signal.alarm(0)
    except BaseException as error:
        signal.alarm(0)
        _send(pipe, f"raised {type(error).__name__}\n{traceback.format_exc(limit=-8)}")
        raise
    finally:
        os._exit(0)


def _send(pipe: int, text: str) -> None:
    os.write(pipe, text.replace("\0", "").encode(errors="replace")[:3500] + b"\0")


def _records(pipe: Iterable[bytes]) -> Iterator[str]:
    left = b""
    for chunk in pipe:
        left += chunk
        *whole, left = left.split(b"\0")
        for record in whole:
            yield record.decode(errors="replace")
