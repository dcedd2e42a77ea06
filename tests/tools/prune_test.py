"""``edgec prune``: what it prints, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from properties.channel_graphs import stepped

from edgec.tools import driver
from edgec.tools.cli import main


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "model.onnx"
    driver.save(stepped("residual"), path)
    return str(path)


def test_groups_are_explained(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prune", model, "--explain"]) == 0
    said = capsys.readouterr().out
    assert "group 1: 8 channels, computed by" in said
    assert ", because " in said
    assert "keeps all its channels: it is an output of the model" in said


def test_a_smaller_model_is_written(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "small.onnx"
    assert main(["prune", model, "--macs", "0.7", "-o", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["after"]["macs"] <= 0.7 * found["before"]["macs"]
    made = driver.load(out)
    assert sum(op.work().macs for op in made.ops) == found["after"]["macs"]


def test_passes_find_devices_by_name(model: str, tmp_path: Path) -> None:
    text = "O2,prune{latency=0.95,device=raspberry-pi-4},factorize{macs=0.98,round_to=1}"
    assert main(["opt", model, "-p", text, "-o", str(tmp_path / "small.onnx")]) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "nothing says how much to prune"),
        (["--latency", "0.5"], "a latency on no device"),
        (["--latency", "0.5", "--device", "toaster"], "there is no device 'toaster'"),
        (["--macs", "0.5", "--ratio", "0.5"], "wants one goal"),
    ],
)
def test_what_is_refused(
    model: str,
    options: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["prune", model, *options]) == 2
    assert said in capsys.readouterr().err
