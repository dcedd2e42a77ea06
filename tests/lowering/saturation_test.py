"""CPUs whose sums of 8-bit products overflow: what is run there, what is said, what helps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import edgec
from edgec import Error
from edgec.ir import Array, Graph
from edgec.kernels import run, seeded_inputs
from edgec.lowering import TARGETS, saturation
from edgec.lowering.onnx import to_model
from edgec.lowering.onnx.runner import EXACT_INTEGERS
from edgec.lowering.openvino import OpenvinoRunner
from edgec.tools import cli

ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def quantized(digits: Path, scheme: str) -> Graph:
    graph = edgec.load(digits)
    target = scheme.partition("-")[0]
    compiled = edgec.compile(
        graph,
        target,
        digits.with_name(f"written{TARGETS[target].suffix}"),
        precision=f"int8-fast{{scheme={scheme}}}",
        calibration=[seeded_inputs(graph)],
    )
    return compiled.graph


@pytest.fixture
def model(digits: Path, tmp_path: Path) -> Path:
    copied = tmp_path / "digits.onnx"
    copied.write_bytes(digits.read_bytes())
    return copied


def sqnr(actual: Array, expected: Array) -> float:
    noise = float(np.square(actual.astype(np.float64) - expected).sum())
    return 10 * np.log10(float(np.square(expected.astype(np.float64)).sum()) / max(noise, 1e-30))


def plain_session(graph: Graph, **entries: str) -> dict[str, Array]:
    """Outputs of onnxruntime as anyone would start it, but for these entries."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    for name, value in entries.items():
        options.add_session_config_entry(name, value)
    session = ort.InferenceSession(to_model(graph).SerializeToString(), options)
    found = session.run(None, seeded_inputs(graph))
    return dict(zip(graph.output_names, found, strict=True))


def test_seven_bits_are_right_on_any_cpu_in_a_plain_onnxruntime(model: Path) -> None:
    graph = quantized(model, "onnx-7bit")
    for name, expected in run(graph, seeded_inputs(graph)).items():
        assert sqnr(plain_session(graph)[name], expected) > 30


def test_onnxruntime_s_exact_mode_takes_what_is_written(model: Path) -> None:
    """It refuses weights that share a zero point (version 1.32)."""
    graph = quantized(model, "onnx")
    found = plain_session(graph, **dict([EXACT_INTEGERS]))
    for name, expected in run(graph, seeded_inputs(graph)).items():
        assert sqnr(found[name], expected) > 30


def test_seven_bits_are_right_on_any_cpu_in_a_plain_openvino(model: Path) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    graph = quantized(model, "openvino-7bit")
    written = model.with_name("written.xml")
    found = OpenvinoRunner(written, exact=False).run(seeded_inputs(graph))
    for name, expected in run(graph, seeded_inputs(graph)).items():
        assert sqnr(found[name], expected) > 30


@pytest.mark.parametrize(("scheme", "warned"), [("onnx", True), ("onnx-7bit", False)])
def test_such_a_cpu_is_named(
    model: Path,
    scheme: str,
    warned: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(saturation, "adds_bytes_in_16_bits", lambda: True)
    arguments = ["compile", str(model), "-o", str(model.with_name("q.onnx")), "--verify"]
    arguments += ["--precision", f"int8-fast{{scheme={scheme}}}", "--calibration", "random"]
    assert cli.main(arguments) == 0
    assert ("session.x64quantprecision=1" in capsys.readouterr().out) == warned
    assert cli.main([*arguments, "--json"]) == 0
    assert ("VNNI" in json.loads(capsys.readouterr().out)["caveat"]) == warned


def test_other_cpus_are_not(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saturation, "adds_bytes_in_16_bits", lambda: False)
    assert not saturation.overflows_here(quantized(model, "onnx"))


def test_schemes_of_other_targets_are_refused(model: Path) -> None:
    with pytest.raises(Error, match="no quantization scheme 'openvino-7bit' of target 'onnx'"):
        edgec.compile(
            edgec.load(model),
            "onnx",
            model.with_name("q.onnx"),
            precision="int8{scheme=openvino-7bit}",
            calibration="random",
        )
