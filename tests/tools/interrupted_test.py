"""A compilation that is interrupted, or whose disk is full: nothing partial is left behind, and
what was there before is as it was."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgec.lowering.onnx import writer
from edgec.tools import cli

BEFORE = b"what was there before"
INTERRUPTED, BAD_INPUT = 130, 3


@pytest.fixture(params=[True, False], ids=["there before", "new"])
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "out.onnx"
    if request.param:
        path.write_bytes(BEFORE)
        (tmp_path / "out.onnx.data").write_bytes(BEFORE)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def interrupted(write: Callable[..., None]) -> Callable[..., None]:
    """The same function; after it has written, the user presses ctrl-c.

    Raised here as Python would: a process started in the background ignores the signal itself.
    """

    def half(*arguments: Any) -> None:
        write(*arguments)
        raise KeyboardInterrupt

    return half


def test_an_interrupt_while_the_model_is_written(
    digits: Path, destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(destination.parent)
    monkeypatch.setattr(writer, "stream_model", interrupted(writer.stream_model))
    assert cli.main(["compile", str(digits), "-o", str(destination)]) == INTERRUPTED
    assert contents(destination.parent) == before


def test_an_interrupt_while_the_weights_are_written(
    digits: Path, destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(destination.parent)
    monkeypatch.setattr(writer, "PROTOBUF_LIMIT", 10_000)
    monkeypatch.setattr(writer, "_write_external", interrupted(writer._write_external))
    assert cli.main(["compile", str(digits), "-o", str(destination)]) == INTERRUPTED
    assert contents(destination.parent) == before


LIMITED = """
import sys
from edgec.lowering.onnx import writer
from edgec.tools import cli
writer.PROTOBUF_LIMIT = int(sys.argv.pop(1))
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("limit", "suffix", "command"),
    [
        (writer.PROTOBUF_LIMIT, ".onnx", ["compile"]),
        (10_000, ".onnx", ["compile"]),  # weights in a file of their own
        (writer.PROTOBUF_LIMIT, ".eir", ["opt", "-p", "dce"]),
        (writer.PROTOBUF_LIMIT, ".tflite", ["compile", "-t", "tflite"]),
        (writer.PROTOBUF_LIMIT, ".xml", ["compile", "-t", "openvino"]),
    ],
    ids=["one file", "two files", "text", "tflite", "openvino"],
)
def test_a_full_disk(
    digits: Path, destination: Path, limit: int, suffix: str, command: list[str]
) -> None:
    """The disk takes 50 kB of each file; the model has four times as much."""
    before = contents(destination.parent)
    path = destination.with_suffix(suffix)
    found = subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit), *command, str(digits), "-o", str(path)],
        capture_output=True, text=True, cwd=destination.parent,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
    )  # fmt: skip
    assert found.returncode == BAD_INPUT, found.stderr
    assert f"cannot write {path.with_suffix('')}." in found.stderr, "where it was asked for"
    assert "Traceback" not in found.stderr
    assert contents(destination.parent) == before


def test_without_limits_the_same_commands_write(digits: Path, destination: Path) -> None:
    assert cli.main(["compile", str(digits), "-o", str(destination)]) == 0
    assert len(destination.read_bytes()) > 100_000
