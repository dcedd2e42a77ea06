"""Configuration files, provenance, ``edgec doctor``, completion, and error codes."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

import edgec
from edgec.ir import Code, Kind
from edgec.lowering import TARGETS, Runtime
from edgec.lowering.onnx import read_onnx, write_onnx
from edgec.tools import cli, config, provenance
from edgec.tools.commands import compile as compile_command

ROOT = Path(__file__).resolve().parents[2]
TEXT = """graph small(%x: f32[N,3]) {
  %a = act.relu %x loc("first")
  %z = math.add %a, f32[](1.0) loc("second")
  return y=%z
}"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_onnx(edgec.parse_graph(TEXT), tmp_path / "m.onnx")
    return tmp_path


def edgec_command(*arguments: str) -> int:
    return cli.main(list(arguments))


# -- configuration ---------------------------------------------------------------------------------


def test_a_command_and_its_configuration_write_the_same_bytes(here: Path) -> None:
    (here / "builds").mkdir()
    command = ["compile", "m.onnx", "-o", "out.onnx", "-O", "O1", "--input-shape", "x:2x3",
               "--opset", "18", "--verify"]  # fmt: skip
    assert edgec_command(*command, "--dump-config", "builds/edgec.toml") == 0
    assert not (here / "out.onnx").exists(), "dumping compiles nothing"
    said = tomllib.loads((here / "builds/edgec.toml").read_text())
    assert said["model"] == "../m.onnx"
    assert said["verify"] is True
    assert edgec_command(*command) == 0
    expected = (here / "out.onnx").read_bytes()
    (here / "out.onnx").unlink()
    assert edgec_command("compile", "--config", "builds/edgec.toml") == 0
    assert (here / "out.onnx").read_bytes() == expected


def test_the_command_line_goes_before_the_file(here: Path) -> None:
    (here / "c.toml").write_text('model = "m.onnx"\noutput = "a.onnx"\npipeline = "dce"\n')
    assert edgec_command("compile", "--config", "c.toml", "-o", "b.onnx", "-O", "O0") == 0
    assert not (here / "a.onnx").exists()
    assert provenance.of_artifact(here / "b.onnx")["pipeline"] == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('colour = "red"', "there is no option 'colour'"),
        ('level = "O9"', "level wants one of ['O0'"),
        ('verify = "yes"', "verify wants true or false"),
        ("threads = -1", "threads wants another value: -1 is negative"),
        ("model = ", "is no TOML"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(
    here: Path, text: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "c.toml").write_text(text)
    assert edgec_command("compile", "m.onnx", "-o", "o.onnx", "--config", "c.toml") in (2, 3)
    assert words in capsys.readouterr().err
    assert edgec_command("compile", "m.onnx", "-o", "o.onnx", "--config", "none.toml") == 3


def test_every_option_can_stand_in_a_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the command line says comes back from the file that it amounts to."""
    parser = cli.make_parser()
    given = ["compile", "m.onnx", "-t", "openvino", "-o", "o.xml", "-p", "dce,fold{max_growth=3}",
             "--data", "d.npz", "--threads", "3", "--save-ir", "ir", "--time", "--verify-each",
             "--rewrite-limit", "7", "--print-after", "changed", "--layout-report"]  # fmt: skip
    chosen = parser.parse_args(given)
    import argparse

    bare = argparse.ArgumentParser()
    compile_command.add_arguments(bare)
    (here / "c.toml").write_text(config.text_of(bare, chosen))
    again = cli.make_parser(["compile", "--config", "c.toml"]).parse_args(
        ["compile", "--config", "c.toml"]
    )
    ignored = ("config", "recorded_model")
    before, after = (
        {k: v for k, v in vars(n).items() if k not in ignored} for n in (chosen, again)
    )
    assert after == before


# -- provenance ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "suffix"), [("onnx", ".onnx"), ("openvino", ".xml"), ("tflite", ".tflite")]
)
def test_an_artifact_says_how_it_was_made_and_is_made_again(
    here: Path, target: str, suffix: str
) -> None:
    first, again = here / f"first{suffix}", here / f"again{suffix}"
    shape = ["--input-shape", "x:4x3"]
    assert edgec_command("compile", "m.onnx", "-t", target, "-o", first.name, *shape) == 0
    said = provenance.of_artifact(first)
    assert said["model"] == "m.onnx"
    assert said["model.sha256"] == provenance.file_hash(here / "m.onnx")
    assert said["version"] == edgec.__version__
    assert said["target"] == target
    assert "fuse" in said["pipeline"].split(",")
    assert edgec_command("compile", "m.onnx", "--config", first.name, "-o", again.name) == 0
    assert again.read_bytes() == first.read_bytes()


def test_another_model_is_warned_of(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert edgec_command("compile", "m.onnx", "-o", "out.onnx") == 0
    write_onnx(edgec.parse_graph(TEXT.replace("1.0", "2.0")), here / "m.onnx")
    assert edgec_command("compile", "m.onnx", "--config", "out.onnx", "-o", "b.onnx") == 0
    assert "was made from another model" in capsys.readouterr().err


def test_what_others_wrote_is_no_configuration(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert edgec_command("compile", "m.onnx", "--config", "m.onnx", "-o", "b.onnx") == 2
    assert "does not say how it was made" in capsys.readouterr().err


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_inspect_shows_it(here: Path, target: str, capsys: pytest.CaptureFixture[str]) -> None:
    name = f"out{TARGETS[target].suffix}"
    shape = ["--input-shape", "x:4x3"]
    assert edgec_command("compile", "m.onnx", "-t", target, "-o", name, *shape) == 0
    capsys.readouterr()
    assert edgec_command("inspect", name) == 0
    assert f"{name}: model = m.onnx" in capsys.readouterr().out
    assert edgec_command("inspect", name, "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["made"]["target"] == target


def test_an_artifact_that_is_compiled_again_says_so_of_itself_only(here: Path) -> None:
    assert edgec_command("compile", "m.onnx", "-o", "a.onnx", "-O", "O1") == 0
    assert edgec_command("compile", "a.onnx", "-o", "b.onnx", "-O", "O0") == 0
    said = provenance.of_artifact(here / "b.onnx")
    assert (said["model"], said["pipeline"]) == ("a.onnx", "")
    assert read_onnx(here / "b.onnx").metadata["edgec.model"] == "a.onnx"


# -- doctor, completion ----------------------------------------------------------------------------


def test_doctor_names_what_is_missing_with_the_line_that_installs_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    bare = replace(TARGETS["openvino"], runtime=Runtime("no_such_runtime", "openvino"))
    monkeypatch.setitem(TARGETS, "openvino", bare)
    assert edgec_command("doctor") == 0
    shown = capsys.readouterr().out
    assert "pip install 'edgec[openvino]'" in shown
    assert f"edgec {edgec.__version__}" in shown
    assert edgec_command("doctor", "--json") == 0
    found: Any = json.loads(capsys.readouterr().out)
    rows = {row["target"]: row for row in found["runtimes"]}
    assert rows["openvino"] == {"target": "openvino", "runtime": "no_such_runtime", "found": "",
                                "install": "pip install 'edgec[openvino]'"}  # fmt: skip
    assert rows["onnx"]["found"]
    assert found["features"]


def test_the_completion_script_is_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert edgec_command("completion", "bash") == 0
    script = capsys.readouterr().out
    assert "bisect" in script
    assert "--dump-config" in script
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")


# -- error codes -----------------------------------------------------------------------------------


ELSEWHERE = ("E106", "E201", "E502")  # what would need little memory, bad weights, gigabytes


@pytest.mark.parametrize("code", Code, ids=str)
def test_every_error_code_has_a_page(code: Code) -> None:
    text = (ROOT / "docs" / "errors" / f"{code}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {code}: {code.title}\n")
    assert f"Exit code {code.kind.exit_code}." in text
    assert f"error[{code}]: {code.kind.value}: " in text, "an example, as the driver prints it"
    assert ("```console" in text) != (str(code) in ELSEWHERE), "the tests run it"
    assert "## What to do" in text


def test_there_is_no_page_without_a_code() -> None:
    pages = {path.stem for path in (ROOT / "docs" / "errors").glob("E*.md")}
    assert pages == {str(code) for code in Code}


def test_every_kind_has_a_code_of_its_own() -> None:
    assert [kind.code.kind for kind in Kind] == list(Kind)
    assert len({code.number for code in Code}) == len(Code)


def test_codes_are_printed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert edgec_command("inspect", "none.onnx") == 3
    assert capsys.readouterr().err.startswith("error[E101]: read: ")
    assert edgec_command("inspect", "none.onnx", "--json") == 3
    assert json.loads(capsys.readouterr().out)["code"] == "E101"


def test_an_error_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert edgec_command("explain", "error[e301]:") == 0
    page = (ROOT / "docs" / "errors" / "E301.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out == page
    assert edgec_command("explain", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [row["code"] for row in listed] == [str(code) for code in Code]
    assert edgec_command("explain", "E999") == 2
