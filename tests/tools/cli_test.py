"""The ``edgec`` command: what each subcommand prints, where, and with which exit code."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import onnx
import pytest

import edgec
from edgec.ir import Error, Graph, Kind, Rewriter, parse_graph, verify
from edgec.lowering.onnx import read_onnx, write_onnx
from edgec.passes import Pass, pass_classes
from edgec.tools import cli
from edgec.tools.commands import COMMANDS

FINE, CHECK_FAILED, USAGE, BAD_INPUT, NO_RUNTIME = range(5)
TEXT = """graph small(%x: f32[batch,3]) {
  %a = act.relu %x loc("first")
  %b = act.relu %a loc("second")
  %z = math.add %b, f32[](0.0)
  return y=%z
}"""

Json = Callable[[str], Any]


def strict_json(text: str) -> Any:
    """JSON as the standard has it: without NaN and infinities."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for each test, with the model in both forms."""
    monkeypatch.chdir(tmp_path)
    graph = parse_graph(TEXT)
    write_onnx(graph, tmp_path / "m.onnx")
    (tmp_path / "m.eir").write_text(TEXT)
    return tmp_path


def edgec_command(*arguments: str) -> int:
    return cli.main(list(arguments))


# -- every command ---------------------------------------------------------------------------------

CALLS = {
    "compile": ["m.onnx", "-o", "out.onnx", "--verify"],
    "opt": ["m.onnx", "-p", "O2", "-o", "out.eir", "--time"],
    "run": ["m.onnx"],
    "verify": ["m.onnx", "m.onnx", "--per-layer"],
    "inspect": ["m.onnx", "m.eir"],
    "check": ["m.onnx", "-t", "onnx"],
    "prune": ["m.onnx", "--explain"],
    "passes": [],
    "explain": ["E301"],
    "bisect": ["m.onnx", "-p", "O2"],
    "reduce": ["m.onnx", "--check", "false"],
    "diff": ["m.onnx", "m.onnx"],
    "new": ["pass", "my-pass"],
    "test": [str(Path(__file__).parents[1] / "passes" / "gathers.eir")],
    "golden": ["record", "m.onnx", "-o", "golden.json"],
    "doctor": [],
    "completion": ["bash"],
    "ops": [],
    "targets": [],
}


def test_every_command_is_called_here() -> None:
    assert set(CALLS) == {command.NAME for command in COMMANDS}


@pytest.mark.parametrize("name", CALLS)
def test_a_command_succeeds_and_says_something(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert edgec_command(name, *CALLS[name]) == FINE
    assert len(capsys.readouterr().out) > 10


@pytest.mark.parametrize("name", CALLS)
def test_a_command_prints_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert edgec_command(name, *CALLS[name], "--json") == FINE
    assert strict_json(capsys.readouterr().out)


@pytest.mark.parametrize("name", CALLS)
def test_a_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert edgec_command(name, "--help") == FINE
    assert "examples:" in capsys.readouterr().out


def test_errors_are_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert edgec_command("inspect", "none.onnx", "--json") == BAD_INPUT
    captured = capsys.readouterr()
    assert strict_json(captured.out)["error"] == "read"
    assert "none.onnx" in captured.err


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert edgec_command("--version") == FINE
    assert edgec.__version__ in capsys.readouterr().out


# -- exit codes ------------------------------------------------------------------------------------


def test_1_an_artifact_that_computes_something_else(here: Path) -> None:
    write_onnx(parse_graph(TEXT.replace("f32[](0.0)", "f32[](0.5)")), here / "other.onnx")
    assert edgec_command("verify", "m.onnx", "other.onnx") == CHECK_FAILED


@pytest.mark.parametrize(
    ("arguments", "words"),
    [([], ""), (["frobnicate"], "there is no command 'frobnicate'"), (["run"], "required"),
     (["opt", "m.onnx", "-p", "nonsense"], "there is no pass 'nonsense'"),
     (["opt", "m.onnx", "-p", "dce{"], "cannot read the pipeline"),
     (["opt", "m.onnx", "-p", "fold{speed=3}"], "has no option 'speed'"),
     (["opt", "m.onnx", "-p", "fold{max_growth=lots}"], "wants a int"),
     (["opt", "m.onnx", "-p", "fold{max_growth}"], "has no value"),
     (["opt", "m.onnx", "-p", "dce", "-o", "out.txt"], "cannot tell a format"),
     (["compile", "m.onnx", "-t", "toaster", "-o", "out"], "there is no target 'toaster'"),
     (["compile", "m.onnx", "-o", "out.onnx", "--opset", "3"], "opset 3"),
     (["compile", "m.onnx", "-o", "out.onnx", "-O", "O9"], "invalid choice"),
     (["check", "m.onnx", "-t", "toaster"], "there is no target 'toaster'"),
     (["verify", "m.onnx", "m.eir"], "no target writes .eir files"),
     (["run", "m.onnx", "--seed", "-1"], "-1 is negative"),
     (["compile", "m.onnx", "--verfy", "-o", "out.onnx"], "try: --verify"),
     (["run", "out.tflite"], "does not say what its inputs are like"),
     (["opt", "m.onnx", "-p", "fuze"], "try: fuse"),
     (["run", "m.onnx", "--input-shape", "x"], "cannot read the shape 'x'"),
     (["run", "m.onnx", "--input-shape", "x:2x-3"], "negative"),
     (["run", "m.onnx", "--input-shape", "z:2x3"], "no input 'z'"),
     (["run", "m.eir", "--input-shape", "z:2x3"], "no input 'z'"),
     (["run", "m.eir", "--input-shape", "x:2x4"], "does not fit"),
     (["run", "m.eir", "--input-shape", "x:2"], "does not fit")],
    ids=lambda value: "_".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_2_what_the_user_mistyped(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert edgec_command(*arguments) == USAGE
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"no model", b"graph g() { return %x }", b"\x08\x07"])
def test_3_a_file_that_is_no_model(here: Path, content: bytes) -> None:
    for name in ("bad.onnx", "bad.eir"):
        (here / name).write_bytes(content)
        assert edgec_command("inspect", name) == BAD_INPUT


def test_3_an_operator_that_edgec_does_not_read(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = onnx.load(here / "m.onnx")
    for node in model.graph.node[:2]:
        node.op_type = "Frobnicate"
    onnx.save(model, here / "odd.onnx")
    assert edgec_command("check", "odd.onnx", "-t", "onnx") == BAD_INPUT
    assert capsys.readouterr().err.count("Frobnicate (opset") == 2


def test_3_a_folder_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert edgec_command("compile", "m.onnx", "-o", "none/out.onnx") == BAD_INPUT
    assert "No such file" in capsys.readouterr().err


def test_3_an_output_that_is_a_folder(here: Path) -> None:
    (here / "out.onnx").mkdir()
    assert edgec_command("compile", "m.onnx", "-o", "out.onnx") == BAD_INPUT
    (here / "dir.eir").mkdir()
    assert edgec_command("inspect", "dir.eir") == BAD_INPUT


@pytest.mark.parametrize("command", [["compile", "m.onnx", "-o", "o.onnx", "--verify"],
                                     ["verify", "m.onnx", "m.onnx"],
                                     ["run", "m.onnx", "--backend", "onnxruntime"]])  # fmt: skip
def test_4_a_runtime_that_is_not_installed(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> Any:
        return None if name == "onnxruntime" else found(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    assert edgec_command(*command) == NO_RUNTIME
    assert "pip install 'edgec[onnxruntime]'" in capsys.readouterr().err
    assert not Path("o.onnx").exists()


def test_a_model_that_does_not_fit_into_memory_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def exhausted(*arguments: object, **options: object) -> NoReturn:
        raise MemoryError

    monkeypatch.setattr("edgec.tools.driver.read_onnx", exhausted)
    assert edgec_command("inspect", "m.onnx") == BAD_INPUT
    assert "not enough memory" in capsys.readouterr().err


# -- standard input and output ---------------------------------------------------------------------


def feed(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.mark.parametrize("name", ["m.onnx", "m.eir"])
def test_a_model_comes_from_standard_input(
    here: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(monkeypatch, (here / name).read_bytes())
    assert edgec_command("inspect", "-") == FINE


def test_text_goes_from_standard_input_to_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    feed(monkeypatch, TEXT.encode())
    assert (
        edgec_command("opt", "-", "-p", "O2", "-o", "-", "--time", "--near-misses", "--json")
        == FINE
    )
    captured = capsys.readouterr()
    graph = parse_graph(captured.out)
    verify(graph)
    assert len(graph) == 1
    assert strict_json(captured.err)["ops"] == 1


@pytest.mark.parametrize("flags", [[], ["--time"], ["--json"], ["--verify"]], ids=str)
def test_a_compiled_model_goes_to_standard_output_and_messages_do_not(
    here: Path,
    flags: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    feed(monkeypatch, (here / "m.onnx").read_bytes())
    assert edgec_command("compile", "-", "-o", "-", *flags) == FINE
    captured = capsysbinary.readouterr()
    verify(read_onnx(captured.out))
    assert b"ops" in captured.err
    assert sorted(os.listdir(here)) == ["m.eir", "m.onnx"]


# -- files -----------------------------------------------------------------------------------------


def test_outputs_are_written_by_name(here: Path) -> None:
    np.savez(here / "x.npz", x=np.array([[-1.0, 2.0, -3.0]], dtype=np.float32))
    assert edgec_command("run", "m.onnx", "--inputs", "x.npz", "--outputs", "y.npz") == FINE
    with np.load(here / "y.npz") as found:
        assert found["y"].tolist() == [[0.0, 2.0, 0.0]]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"text"])
def test_inputs_that_do_not_read_are_refused(here: Path, content: bytes) -> None:
    (here / "x.npz").write_bytes(content)
    assert edgec_command("run", "m.onnx", "--inputs", "x.npz") == BAD_INPUT


@pytest.mark.parametrize("shape", [(1, 4), (3,), (1, 3, 1)])
def test_inputs_of_another_shape_are_refused(
    here: Path, shape: tuple[int, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(here / "x.npz", x=np.zeros(shape, dtype=np.float32))
    assert edgec_command("run", "m.onnx", "--inputs", "x.npz") == USAGE
    assert "wants f32[batch,3]" in capsys.readouterr().err


def test_an_interrupted_write_leaves_the_earlier_file(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "out.onnx").write_bytes(b"earlier")

    def interrupted(graph: Graph, path: Path, **options: object) -> NoReturn:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("edgec.lowering.onnx.target.write_onnx", interrupted)
    assert edgec_command("compile", "m.onnx", "-o", "out.onnx") == 130
    assert (here / "out.onnx").read_bytes() == b"earlier"
    assert sorted(os.listdir(here)) == ["m.eir", "m.onnx", "out.onnx"]


def test_a_failed_check_leaves_the_earlier_file(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "out.onnx").write_bytes(b"earlier")
    other = parse_graph(TEXT.replace("act.relu %x", "math.neg %x"))

    def wrong(graph: Graph, path: Path, **options: object) -> None:
        write_onnx(other, path)

    monkeypatch.setattr("edgec.lowering.onnx.target.write_onnx", wrong)
    assert edgec_command("compile", "m.onnx", "-o", "out.onnx", "--verify") == CHECK_FAILED
    assert (here / "out.onnx").read_bytes() == b"earlier"


def test_the_graph_after_every_pass_is_kept(here: Path) -> None:
    assert (
        edgec_command("compile", "m.onnx", "-o", "o.onnx", "-p", "cleanup,dce", "--save-ir", "ir")
        == FINE
    )
    assert sorted(os.listdir(here / "ir")) == ["00-cleanup.eir", "01-dce.eir"]


def test_a_symbol_in_brackets_is_not_taken_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    edgec_command("inspect", "m.onnx")
    assert "f32[batch,3]" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["m.onnx", "m.eir"])
def test_a_symbol_is_pinned_from_the_command_line(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert edgec_command("inspect", name, "--input-shape", "x:7x3", "--json") == FINE
    (summary,) = strict_json(capsys.readouterr().out)
    assert (summary["inputs"], summary["outputs"]) == (["x: f32[7,3]"], ["y: f32[7,3]"])


# -- watching passes -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Crash(Pass):
    """A pass of the tests that divides by zero where it finds an add."""

    error: str = "ZeroDivisionError"

    def run(self, graph: Graph, rw: Rewriter) -> None:
        if any(op.op_name == "math.add" for op in graph.ops):
            raise {"ZeroDivisionError": ZeroDivisionError("oh"), "KeyError": KeyError("oh"),
                   "NotImplementedError": NotImplementedError("oh"),
                   "Error": Error(Kind.PASS, "oh", instead="do something")}[self.error]  # fmt: skip


@pytest.fixture
def crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """``Crash`` as a declared pass, for one test."""
    monkeypatch.setattr(Crash, "name", "crash")
    monkeypatch.setitem(pass_classes(), "crash", Crash)  # type: ignore[arg-type]


@pytest.mark.usefixtures("crash")
@pytest.mark.parametrize("error", ["ZeroDivisionError", "KeyError", "NotImplementedError", "Error"])
def test_a_crash_writes_a_reproducer_that_reproduces_it(
    here: Path, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    passes = f"dce,crash{{error={error}}},cse"
    assert edgec_command("opt", "m.onnx", "-p", passes, "-o", "out.eir") == CHECK_FAILED
    first = capsys.readouterr().err
    assert "'crash'" in first
    command = next(line for line in first.splitlines() if "edgec opt" in line)
    words = shlex.split(command[command.index("edgec opt") :])
    assert words[:4] == ["edgec", "opt", "repro.eir", "-p"]
    assert (here / "repro.eir").read_text().startswith("# edgec opt repro.eir")
    assert not (here / "out.eir").exists()
    os.rename("repro.eir", "kept.eir")
    assert edgec_command("opt", "kept.eir", *words[3:]) == CHECK_FAILED
    second = capsys.readouterr().err
    assert second.splitlines()[0] == first.splitlines()[0]


def test_a_rewrite_limit_stops_the_passes_there(capsys: pytest.CaptureFixture[str]) -> None:
    counts = []
    for limit in ("0", "1", "100"):
        edgec_command("opt", "m.eir", "-p", "cleanup", "--rewrite-limit", limit, "--json")
        counts.append(strict_json(capsys.readouterr().out)["ops"])
    assert counts[0] > counts[1] > counts[2]


def test_numbers_are_checked_after_each_pass(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--check-numerics", "--verify-each", "--json"]
    assert edgec_command("opt", "m.eir", "-p", "O2", *flags) == FINE
    passes = strict_json(capsys.readouterr().out)["passes"]
    assert any("largest difference" in one["numerics"] for one in passes)


def test_what_changed_is_printed_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert edgec_command("opt", "m.eir", "-p", "dce,cleanup", "--print-after", "changed") == FINE
    captured = capsys.readouterr()
    assert "# after cleanup" in captured.err
    assert "# after dce" not in captured.err
    assert "# after" not in captured.out


# -- in and out, without a command -----------------------------------------------------------------


def test_in_and_out_alone_compile(here: Path) -> None:
    assert edgec_command("m.onnx", "out.onnx", "--verify") == FINE
    assert len(read_onnx(here / "out.onnx")) > 0


def test_a_word_that_is_neither_a_command_nor_a_file_is_a_usage_error() -> None:
    assert edgec_command("compiel", "m.onnx") == USAGE
