"""The ``edgec`` driver: parses the command line, runs a subcommand, turns errors into exit codes.

Exit codes: 0 fine, 1 a check failed, 2 usage, 3 bad or unsupported input, 4 runtime missing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from edgec.ir import Code, Error, Kind, one_of
from edgec.lowering import TARGETS
from edgec.tools import plugins
from edgec.tools.arguments import add_common
from edgec.tools.commands import COMMANDS

OUT_OF_MEMORY = "not enough memory for this model on this machine"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the driver; returns the exit code."""
    for warning in plugins.load_installed():
        print(f"warning: {warning}", file=sys.stderr)
    given = _spelled_out(arguments)
    as_json = "--json" in given
    try:
        return _run(given)
    except Error as error:
        return _report(error, as_json=as_json)
    except MemoryError:
        return _report(Error(Code.MEMORY, OUT_OF_MEMORY), as_json=as_json)
    except BrokenPipeError:
        # The reader of our output went away (head, less): not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return _report(Error(Code.NO_FILE, what), as_json=as_json)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _run(given: Sequence[str]) -> int:
    _check_command(given)
    parser = make_parser(given)
    try:
        chosen, unknown = parser.parse_known_args(given)
    except SystemExit as stop:  # argparse's way to say that --help was printed, or a usage error
        return int(stop.code or 0)
    if not hasattr(chosen, "run"):
        parser.print_help()
        return Kind.USAGE.exit_code
    if unknown:
        raise _unknown(parser, given[0], unknown[0])
    for path in chosen.load_plugin:
        plugins.load_file(Path(path))
    code: int = chosen.run(chosen)
    sys.stdout.flush()
    return code


def _unknown(parser: argparse.ArgumentParser, command: str, text: str) -> Error:
    """The error of an argument that a command does not take."""
    subs = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    sub = subs.choices[command]
    options = [option for action in sub._actions for option in action.option_strings]
    instead = one_of(text, options, f"{sub.prog} --help")
    return Error(Code.ARGUMENTS, f"{sub.prog} takes no {text!r}", instead=instead)


def _check_command(given: Sequence[str]) -> None:
    known = [command.NAME for command in COMMANDS]
    if given and given[0] not in known and not given[0].startswith("-"):
        instead = one_of(given[0], known, "edgec --help lists them all")
        raise Error(Code.ARGUMENTS, f"there is no command {given[0]!r}", instead=instead)


def _spelled_out(arguments: Sequence[str] | None) -> list[str]:
    """``edgec IN OUT …`` is ``edgec compile IN -o OUT …``, for the target of OUT's suffix."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if len(given) < 2 or any(text.startswith("-") and text != "-" for text in given[:2]):
        return given
    known = {command.NAME for command in COMMANDS}
    source = given[0]
    if source in known or not (source == "-" or Path(source).suffix):
        return given
    return ["compile", source, "-o", given[1], *_target_by_suffix(given[1]), *given[2:]]


def _target_by_suffix(output: str) -> list[str]:
    matching = [name for name, t in TARGETS.items() if t.suffix == Path(output).suffix]
    return ["-t", matching[0]] if matching else []


def make_parser(given: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser of the whole command line; ``given`` may name a file that sets its defaults.

    Raises:
        Error: that file does not read.
    """
    parser = _Parser(
        prog="edgec",
        usage="%(prog)s COMMAND …  |  %(prog)s IN.onnx OUT",
        description="Compile a trained network for small hardware, and prove the result. "
        "IN OUT alone compiles for the target that OUT's suffix names.",
        epilog="edgec COMMAND --help shows each command's options and examples. edgec explain E301 "
        "says what error[E301] means, and what to do.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=_Parser, prog=parser.prog)
    for command in COMMANDS:
        sub = commands.add_parser(
            command.NAME,
            help=command.SUMMARY,
            description=command.SUMMARY,
            epilog=f"examples:\n{command.EXAMPLES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add_common(sub)
        command.add_arguments(sub)
        if given[:1] == [command.NAME] and hasattr(command, "configure"):
            command.configure(sub, given)
        sub.usage = _in_short(sub)
        sub.set_defaults(run=command.run, json=False, load_plugin=[])
    return parser


class _Parser(argparse.ArgumentParser):
    """argparse whose errors are ours."""

    def error(self, message: str) -> NoReturn:
        raise Error(Code.ARGUMENTS, message, instead=f"{self.prog} --help")


def _in_short(parser: argparse.ArgumentParser) -> str:
    """What must be given, on one line; the options stand below."""
    own = [action for action in parser._actions if action.dest != "help"]
    options = [
        f"{action.option_strings[0]} {_shown(action)}"
        for action in own
        if action.required and action.option_strings
    ]
    places = [_shown(action) for action in own if not action.option_strings]
    return " ".join([parser.prog, *places, *options, "[options]"])


def _shown(action: argparse.Action) -> str:
    choices = "|".join(map(str, action.choices or ()))
    name = str(action.metavar or choices or action.dest.upper())
    return {"?": f"[{name}]", "*": f"[{name} …]", "+": f"{name} …"}.get(str(action.nargs), name)


def _report(error: Error, *, as_json: bool) -> int:
    if as_json:
        findings = [
            {"where": f.where, "message": f.message, "instead": f.instead} for f in error.findings
        ]
        content = {
            "error": error.kind.value,
            "code": str(error.code),
            "message": error.message,
            "findings": findings,
            "instead": error.instead,
        }
        print(json.dumps(content, indent=2))
    print(f"error[{error.code}]: {error}", file=sys.stderr)
    return error.exit_code


def _version() -> str:
    from importlib.metadata import version

    return version("edgec")


if __name__ == "__main__":
    sys.exit(main())
