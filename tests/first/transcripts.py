"""Running what a page of docs/ shows: its files are written, its commands are run, and what these
print is compared with the page.

A fence with a title holds a file: ```` ```python title="a.py" ````. In a ``console`` fence a line
that begins with ``$`` is a command and the lines after it are what it prints; ``…`` stands for
anything, on a line of its own for any lines.
"""

from __future__ import annotations

import io
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from edgec.tools import cli

_FENCE = re.compile(
    r"^```(?P<kind>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
ANYTHING = "…"
LONGEST = 300  # seconds for one command


Run = Callable[[str, Path, Mapping[str, str]], str]
"""Runs a command in a folder and returns what it printed."""


@dataclass(frozen=True)
class Step:
    """A command with what it should print, or a file with its content."""

    command: str = ""
    file: str = ""
    text: str = ""


def steps(page: Path) -> list[Step]:
    """What a page does, in order."""
    found: list[Step] = []
    for fence in _FENCE.finditer(page.read_text(encoding="utf-8")):
        if fence["title"]:
            found.append(Step(file=fence["title"], text=fence["text"]))
        elif fence["kind"] == "console":
            found += _commands(fence["text"])
    return found


def _commands(text: str) -> Iterator[Step]:
    command, printed = "", list[str]()
    for line in text.splitlines():
        if line.startswith("$ "):
            if command:
                yield Step(command, text="\n".join(printed))
            command, printed = line.removeprefix("$ "), []
        else:
            printed.append(line)
    if command:
        yield Step(command, text="\n".join(printed))


def has_commands(page: Path) -> bool:
    return any(step.command for step in steps(page))


def play(page: Path, folder: Path, environment: Mapping[str, str], run: Run | None = None) -> None:
    """Do what the page does, in that folder. Raises AssertionError where it prints another text."""
    here = folder
    for step in steps(page):
        if step.file:
            path = here / step.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.text, encoding="utf-8")
        elif step.command.startswith("cd "):
            here = here / step.command.removeprefix("cd ")
        else:
            printed = (run or in_a_shell)(step.command, here, environment)
            assert matches(step.text, printed), f"{page.name}: $ {step.command}\n{printed}"


def in_this_process(command: str, folder: Path, environment: Mapping[str, str]) -> str:
    """Like ``in_a_shell``, but edgec itself runs here, which saves its import every time."""
    first, pipe, rest = command.partition(" | ")
    if not first.startswith("edgec ") or "'" in rest:  # a quoted pipe is not ours
        return in_a_shell(command, folder, environment)
    arguments = [found for text in shlex.split(first)[1:] for found in _expanded(text, folder)]
    printed = io.StringIO()
    with chdir(folder), redirect_stdout(printed), redirect_stderr(printed):
        cli.main(arguments)
    return (
        in_a_shell(rest, folder, environment, printed.getvalue())
        if pipe
        else _lines(printed.getvalue())
    )


def _expanded(text: str, folder: Path) -> list[str]:
    """What a shell makes of a name with a star."""
    found = (
        sorted(str(path.relative_to(folder)) for path in folder.glob(text)) if "*" in text else []
    )
    return found or [text]


def in_a_shell(command: str, folder: Path, environment: Mapping[str, str], given: str = "") -> str:
    """Run a command as a user would, in a process of its own."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        input=given,
        text=True,
        timeout=LONGEST,
    )
    return _lines(done.stdout)


def _lines(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def matches(expected: str, printed: str) -> bool:
    """True when a text is as expected, … standing for anything."""
    pattern = ""
    for line in expected.strip("\n").splitlines():
        one = "".join(".*" if part == ANYTHING else re.escape(part) for part in _parts(line))
        pattern += "(?:.*\\n)*" if line.strip() == ANYTHING else f"{one}\\n"
    return re.fullmatch(pattern, printed + "\n" if printed else "") is not None


def _parts(line: str) -> list[str]:
    return re.split(f"({ANYTHING})", line.rstrip())
