"""Ethos-U through Vela: everything on the NPU, its figures by the user's layers."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

import edgec
from edgec.ir import Builder, Error, dtypes
from edgec.ir.ops import Erf, Relu
from edgec.lowering.ethosu import ACCELERATORS, System
from edgec.tools.cli import main as edgec_command

DIGITS = Path(__file__).resolve().parents[2] / "tools" / "data" / "digits_mbv2.onnx"
WHOLE = ("mobilenet_v2.raw17", "efficientnet_lite0.ts17", "mnist_mbv2.raw17", "mnist_resnet8.raw17")

needs_vela = pytest.mark.skipif(
    find_spec("ethosu") is None, reason="Vela is not installed: pip install 'edgec[ethos-u]'"
)


@pytest.mark.parametrize("accelerator", ACCELERATORS)
def test_system_and_memory_mode_are_always_said(accelerator: str) -> None:
    arguments = System(accelerator).arguments
    for option in ("--accelerator-config", "--config", "--system-config", "--memory-mode"):
        assert arguments[arguments.index(option) + 1]


def test_an_unknown_accelerator_is_refused() -> None:
    with pytest.raises(Error, match="ethos-u99"):
        System("ethos-u99")


@needs_vela
@pytest.mark.parametrize("name", WHOLE)
def test_every_operator_runs_on_the_npu(
    models: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert edgec_command(["check", str(models / f"{name}.onnx"), "-t", "ethos-u", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {one["where"] for one in said["operators"]} == {"NPU"}
    heavy = [one for one in said["operators"] if one["operator"] == "CONV_2D"]
    assert all(one["cycles"] > 0 and one["SRAM bytes"] > 0 for one in heavy)
    assert "SRAM" in said["facts"]["memory"]
    assert "invalid" not in said["facts"]["inference"]


@needs_vela
def test_the_report_lies_beside_the_artifact(tmp_path: Path) -> None:
    graph = edgec.load(DIGITS, input_shapes={"input": (1, 1, 28, 28)})
    made = edgec.compile(
        graph, "ethos-u", tmp_path / "m.tflite", precision="int8", calibration="random",
        verify=True, options={"accelerator_config": "ethos-u65-512"},
    )  # fmt: skip
    assert sorted(made.files) == ["m.tflite", "m_int8.tflite", "m_vela.json"]
    assert b"ethos-u" in (tmp_path / "m.tflite").read_bytes()
    assert made.verification is not None
    assert made.verification.largest == 0
    said = json.loads((tmp_path / "m_vela.json").read_text())
    assert said["summary"]["accelerator_configuration"] == "Ethos_U65_512"
    cycles = sum(one["cycles"] for one in said["operators"])
    assert cycles >= float(said["summary"]["cycles_total"]) * 0.9  # layers overlap
    assert {"/1/Add", "/9/Gemm"} <= {one["layer"] for one in said["operators"]}


@needs_vela
def test_what_stays_on_the_cpu_makes_the_estimate_invalid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    b = Builder("mixed")
    x = b.input("x", dtypes.f32, (1, 8, 8, 8))
    middle = b.add(Erf(b.add(Relu(x)).result)).result
    edgec.save(b.output(y=b.add(Relu(middle)).result), tmp_path / "mixed.onnx")
    path = str(tmp_path / "mixed.onnx")
    assert edgec_command(["check", path, "-t", "ethos-u", "--json"]) != 0
    said = json.loads(capsys.readouterr().out)
    stays = [one for one in said["operators"] if one["where"] == "CPU"]
    assert stays
    assert all(one["why"] and one["instead"] for one in stays)
    assert any("estimate invalid" in note for note in said["notes"])
