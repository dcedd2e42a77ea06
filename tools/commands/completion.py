"""edgec completion"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from edgec.tools import report

NAME = "completion"
SUMMARY = "print a script that lets a shell complete commands, options and files"
EXAMPLES = """\
  edgec completion bash > ~/.local/share/bash-completion/completions/edgec
  edgec completion zsh > ~/.zfunc/_edgec"""


SHELLS = ("bash", "zsh", "tcsh")
FILES = (
    "MODEL",
    "IN",
    "ARTIFACT",
    "A",
    "B",
    "OUT",
    "X.NPZ",
    "X.JSON",
    "FILE",
    "FILE.PY",
    "OUT.SVG",
)
"""Names that stand for files in usage lines; DIR stands for a folder."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS)


def run(chosen: argparse.Namespace) -> int:
    import shtab  # which nothing else needs

    from edgec.tools.cli import make_parser

    parser = make_parser()
    for action in _actions(parser):
        kind = str(action.metavar).split("|")[0]
        if kind in FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab looks for it
        elif kind == "DIR":
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    script = shtab.complete(parser, shell=chosen.shell)
    if chosen.json:
        report.print_json({"shell": chosen.shell, "script": script})
    else:
        print(script)
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Every argument of a parser and of its commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from _actions(sub)
