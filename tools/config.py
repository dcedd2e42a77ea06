"""Configuration files: all that the command line of ``edgec compile`` can say, as TOML.

    # edgec compile --config edgec.toml
    model = "model.onnx"
    target = "onnx"
    output = "out.onnx"
    verify = true

Keys are the long options with dashes or underscores, and ``model``. What the command line says
goes before. Paths are relative to the file. An artifact is a configuration, too: it says how it was
made.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edgec.ir import Code, Error, one_of, write_atomically
from edgec.tools import provenance

PATHS = ("model", "output", "data", "calibration", "save_ir")
NO_PATHS = ("-", "random")
SKIPPED = ("help", "config", "dump_config", "json", "load_plugin", "run")
FROM_ARTIFACT = ("target", "pipeline", "precision", "calibration")
STANDARD = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``--config`` and ``--dump-config``."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="options from a .toml file, or from an artifact's own words",
    )
    parser.add_argument(
        "--dump-config",
        metavar="FILE",
        nargs="?",
        const=STANDARD,
        help="write this command as a .toml file (to standard output by default), and stop",
    )


def apply(parser: argparse.ArgumentParser, given: Sequence[str]) -> None:
    """Let what ``--config`` in the given arguments says be the parser's defaults.

    Raises:
        Error: the file does not read, or says what no option does.
    """
    path = _named(given)
    if path is None:
        return
    values = read(path)
    parser.set_defaults(recorded_model=values.pop("recorded_model", None))
    actions = {action.dest: action for action in parser._actions if action.dest not in SKIPPED}
    for dest in _overruled(parser, given):
        values.pop(dest, None)
    for dest, value in values.items():
        if dest not in actions:
            known = [name.replace("_", "-") for name in actions]
            key = dest.replace("_", "-")
            raise Error(
                Code.CONFIG,
                f"{path}: there is no option {key!r}",
                instead=one_of(key, known, "edgec compile --help lists them all"),
            )
        values[dest] = _checked(path, actions[dest], value)
        _relax(actions[dest])
    for group in parser._mutually_exclusive_groups:
        if any(action.dest in values for action in group._group_actions):
            group.required = False
    parser.set_defaults(**values)


def read(path: Path) -> dict[str, Any]:
    """What a configuration file, or an artifact, says, by the names of the parsed arguments."""
    if path.suffix != ".toml":
        return _of_artifact(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Error(Code.NO_FILE, f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Error(Code.TOML, f"{path} is no TOML: {error}") from error
    values = {key.replace("-", "_"): value for key, value in content.items()}
    for dest in PATHS:
        if isinstance(values.get(dest), str) and values[dest] not in NO_PATHS:
            values[dest] = str(path.parent / values[dest])
    return values


def text_of(
    parser: argparse.ArgumentParser, chosen: argparse.Namespace, folder: Path | None = None
) -> str:
    """The configuration that a parsed command amounts to; paths relative to ``folder``."""
    lines = ["# edgec compile --config FILE"]
    for action in parser._actions:
        value = getattr(chosen, action.dest, None)
        if action.dest in SKIPPED or value is None or value is False or value == []:
            continue
        if folder is not None and action.dest in PATHS and value not in NO_PATHS:
            value = Path(os.path.relpath(value, folder)).as_posix()
        lines.append(f"{action.dest.replace('_', '-')} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def warn_of_another_model(chosen: argparse.Namespace) -> None:
    """Say so when an artifact is made again from another model than it was made from."""
    recorded = getattr(chosen, "recorded_model", None)
    path = Path(chosen.model)
    if recorded and path.exists() and provenance.file_hash(path) != recorded:
        print(f"warning: {chosen.config} was made from another model than {path}", file=sys.stderr)


def dump(parser: argparse.ArgumentParser, chosen: argparse.Namespace) -> None:
    """Do what ``--dump-config`` asks for."""
    if chosen.dump_config == STANDARD:
        print(text_of(parser, chosen), end="")
        return
    path = Path(chosen.dump_config)
    text = text_of(parser, chosen, path.parent)
    write_atomically(path, lambda p: _write(text, p))


# -- reading ---------------------------------------------------------------------------------------


def _named(given: Sequence[str]) -> Path | None:
    """The file that ``--config`` names."""
    for index, text in enumerate(given):
        if text.startswith("--config="):
            return Path(text.removeprefix("--config="))
        if text == "--config" and index + 1 < len(given):
            return Path(given[index + 1])
    return None


def _of_artifact(path: Path) -> dict[str, Any]:
    said = provenance.of_artifact(path)
    if not said:
        raise Error(
            Code.CONFIG, f"{path} does not say how it was made", instead="a .toml file, or an "
            "artifact that edgec compile wrote"
        )  # fmt: skip
    values: dict[str, Any] = {key: said[key] for key in FROM_ARTIFACT if key in said}
    values["recorded_model"] = said.get("model.sha256")
    shapes = json.loads(said.get("input-shapes", "{}"))
    values["input_shape"] = [f"{name}:{dims}" for name, dims in shapes.items()]
    values["preprocess"] = json.loads(said.get("preprocess", "[]"))
    options = json.loads(said.get("options", "{}"))
    return values | {key: value for key, value in options.items() if key != "precision"}


def _overruled(parser: argparse.ArgumentParser, given: Sequence[str]) -> Iterator[str]:
    """Options that exclude one that the command line gives."""
    for group in parser._mutually_exclusive_groups:
        members = group._group_actions
        named = [a for a in members if any(_says(text, a.option_strings) for text in given)]
        if named:
            yield from (action.dest for action in members)


def _says(text: str, options: Sequence[str]) -> bool:
    long = [option for option in options if option.startswith("--")]
    short = [option for option in options if not option.startswith("--")]
    return text.split("=")[0] in long or any(text.startswith(option) for option in short)


def _checked(path: Path, action: argparse.Action, value: Any) -> Any:
    """The value as the option itself would hold it."""
    if isinstance(action, argparse._AppendAction):
        return [str(item) for item in (value if isinstance(value, list) else [value])]
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise _refused(path, action.dest, "true or false")
        return value
    if action.nargs not in (None, "?"):
        return value
    if action.choices is not None and value not in action.choices:
        raise _refused(path, action.dest, f"one of {sorted(map(str, action.choices))}")
    if callable(action.type):
        return _converted(path, action, value)
    return str(value)


def _converted(path: Path, action: argparse.Action, value: Any) -> Any:
    assert callable(action.type), "asked for before"
    try:
        return action.type(str(value))
    except (ValueError, TypeError, argparse.ArgumentTypeError) as error:
        raise _refused(path, action.dest, f"another value: {error}") from error


def _relax(action: argparse.Action) -> None:
    """What the file says need not be said again."""
    action.required = False
    if not action.option_strings and action.nargs is None:
        action.nargs = "?"


def _refused(path: Path, dest: str, wanted: str) -> Error:
    return Error(Code.CONFIG, f"{path}: {dest.replace('_', '-')} wants {wanted}")


# -- writing ---------------------------------------------------------------------------------------


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, (int, float)):
        return repr(value)
    return json.dumps(str(value), ensure_ascii=False)


def _write(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")
