"""``edgec compile --precision``: from a float model to integers, proved by the runtime."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import edgec
from edgec.ir import Error, Graph, Kind
from edgec.ir.ops import Conv, Dequantize, Quantize
from edgec.kernels import InMemory
from edgec.lowering import target_named
from edgec.lowering.onnx import OnnxRunner
from edgec.passes import PRESETS, parse_pipeline, preset_named, with_preset
from edgec.tools import cli
from edgec.tools.demo import normalized


@pytest.fixture
def samples(digits: Path, digits_test: Path) -> InMemory:
    name = edgec.load(digits).input_names[0]
    with np.load(digits_test) as arrays:
        inputs = normalized(arrays["x"][:96])
    return InMemory([{name: inputs[i : i + 1]} for i in range(len(inputs))], "digits")


def test_repairs_run_with_data_on_models_that_were_float() -> None:
    scheme = target_named("onnx").scheme
    passes = parse_pipeline("O2")
    for name, last in (("int8", "bias-correct"), ("int8-best", "adaround")):
        preset = preset_named(name)
        repaired = with_preset(passes, preset, scheme, "onnx", InMemory([{}], ""))
        assert [one.name for one in repaired[-2:]] == [last, "pad-channels"]
        names = [one.name for one in repaired]
        assert names.index("equalize") < names.index("calibrate"), "it moves what ranges are of"
        assert with_preset(passes, preset, scheme, "onnx")[-2].name == "quantize"


def test_int8_runs_and_stays_accurate(
    digits: Path, digits_test: Path, samples: InMemory, tmp_path: Path
) -> None:
    graph = edgec.load(digits)
    made = edgec.compile(
        graph,
        "onnx",
        tmp_path / "int8.onnx",
        precision="int8",
        calibration=InMemory(samples.samples[:32], "digits"),
        verify=True,
    )
    assert any(made.graph.ops_of(Quantize))
    for conv in made.graph.ops_of(Conv):
        assert isinstance(conv.x.producer, Dequantize)
        assert isinstance(conv.w.producer, Dequantize)
    check = made.verification
    assert check is not None
    assert check.ok
    [accuracy] = check.accuracy.values()
    assert accuracy.sqnr_db > 25
    assert accuracy.top1 == 1.0
    assert made.graph.metadata["calibration"].endswith("digits")

    with np.load(digits_test) as arrays:
        inputs, labels = normalized(arrays["x"][96:396]), arrays["y"][96:396]
    runner = OnnxRunner(tmp_path / "int8.onnx")
    [found] = runner.run({graph.input_names[0]: inputs}).values()
    [float_] = edgec.Executor(graph).run({graph.input_names[0]: inputs}).values()
    drop = np.mean(float_.argmax(1) == labels) - np.mean(found.argmax(1) == labels)
    assert drop <= 0.01


def stored(graph: Graph) -> set[str]:
    """The integers and scales of a graph; zero points of zero may be left out or spelled out."""
    return {value.weight.digest for value in graph.constants if value.array.any()}


def test_one_calibration_serves_later(digits: Path, samples: InMemory, tmp_path: Path) -> None:
    graph = edgec.load(digits)
    edgec.optimize(graph, "O2,calibrate", edgec.Settings(data=samples))
    edgec.save(graph, tmp_path / "ranges.eir")
    again = edgec.load(tmp_path / "ranges.eir")
    made = edgec.compile(again, "onnx", tmp_path / "a.onnx", precision="int8")
    assert any(made.graph.ops_of(Quantize))
    assert "digits" in made.graph.metadata["calibration"]


def test_a_quantized_model_needs_no_data(digits: Path, samples: InMemory, tmp_path: Path) -> None:
    first = edgec.compile(
        edgec.load(digits), "onnx", tmp_path / "a.onnx", precision="int8", calibration=samples
    )
    again = edgec.load(tmp_path / "a.onnx")
    made = edgec.compile(again, "onnx", tmp_path / "b.onnx", precision="int8", verify=True)
    assert made.verification is not None
    assert made.verification.ok
    assert stored(made.graph) == stored(first.graph)
    with_data = edgec.compile(
        again, "onnx", tmp_path / "c.onnx", precision="int8", calibration=samples
    )
    assert stored(with_data.graph) == stored(first.graph), "its own integers stay as they are"


def test_no_data_and_no_ranges(digits: Path, tmp_path: Path) -> None:
    with pytest.raises(Error, match="chooses integers from typical inputs") as caught:
        edgec.compile(edgec.load(digits), "onnx", tmp_path / "a.onnx", precision="int8")
    assert caught.value.kind is Kind.CALIBRATION
    assert "--calibration" in caught.value.instead
    assert not (tmp_path / "a.onnx").exists()


def test_random_calibration_is_written_into_the_artifact(digits: Path, tmp_path: Path) -> None:
    edgec.compile(
        edgec.load(digits), "onnx", tmp_path / "a.onnx", precision="int8", calibration="random"
    )
    assert "random" in edgec.load(tmp_path / "a.onnx").metadata["calibration"]


def test_a_target_without_integers_says_so(digits: Path) -> None:
    preset = preset_named("int8")
    with pytest.raises(Error, match="target 'toaster' has no integer arithmetic") as caught:
        with_preset(parse_pipeline("O2"), preset, None, "toaster")
    assert caught.value.kind is Kind.UNSUPPORTED


def test_presets_run_after_fusion_and_before_layout() -> None:
    scheme = target_named("onnx").scheme
    passes = parse_pipeline("O2,layout,cleanup,cse,dce")
    names = [one.name for one in with_preset(passes, preset_named("int8"), scheme, "onnx")]
    assert names.index("fuse-activation") < names.index("calibrate") < names.index("quantize")
    assert names.index("quantize") < names.index("layout")
    early = with_preset(parse_pipeline("cleanup,layout"), preset_named("int8"), scheme, "onnx")
    assert [one.name for one in early][1] == "calibrate"
    assert with_preset(passes, preset_named("fp32"), None, "onnx") == passes


@pytest.mark.parametrize("precision", ["fp16", "w8", "w4"])
def test_other_precisions_are_held_to_their_own_bound(
    digits: Path, samples: InMemory, tmp_path: Path, precision: str
) -> None:
    made = edgec.compile(
        edgec.load(digits),
        "onnx",
        tmp_path / "a.onnx",
        precision=precision,
        calibration=InMemory(samples.samples[:4], "digits"),
        verify=True,
    )
    check = made.verification
    assert check is not None
    assert check.ok
    assert check.samples == 4
    [accuracy] = check.accuracy.values()
    assert accuracy.sqnr_db > 20
    assert accuracy.top1 == 1.0


def test_fp16_weights_of_a_writer_are_not_held_to_float32(
    digits: Path, samples: InMemory, tmp_path: Path
) -> None:
    pytest.importorskip("openvino")
    made = edgec.compile(
        edgec.load(digits),
        "openvino",
        tmp_path / "a.xml",
        precision="fp16",
        verify=True,
        samples=samples.samples[:2],
    )
    check = made.verification
    assert check is not None
    assert check.ok
    assert 1e-5 < check.largest < check.allowed
    assert check.accuracy


def test_mixed_precision_keeps_a_score(digits: Path, digits_test: Path, tmp_path: Path) -> None:
    graph = edgec.load(digits)
    with np.load(digits_test) as arrays:
        inputs, labels = normalized(arrays["x"][:40]), arrays["y"][:40]
    data = [{graph.input_names[0]: inputs[i : i + 1]} for i in range(40)]
    score = edgec.accuracy(data, labels)
    assert score(graph) > 90
    made = edgec.compile(
        graph,
        "onnx",
        tmp_path / "a.onnx",
        precision="int8-mixed{max_drop=2.5%,samples=4}",
        calibration=data,
        score=score,
    )
    assert any(made.graph.ops_of(Quantize))
    assert score(made.graph) >= score(graph) - 2.5
    with pytest.raises(Error, match="39 labels for 40 samples"):
        edgec.accuracy(data, labels[:39])


@pytest.mark.parametrize("target", ["onnx", "openvino", "tflite"])
def test_what_a_target_lists_it_takes(target: str, digits: Path, tmp_path: Path) -> None:
    to = target_named(target)
    if not to.runtime.is_installed:
        pytest.skip(f"{to.runtime.module} is not installed")
    graph = edgec.load(digits, input_shapes={"input": (1, 1, 28, 28)})
    assert {"fp32", "fp16", "w8", "w4"} <= set(to.precisions)
    for precision in to.precisions:
        path = tmp_path / f"{precision}{to.suffix}"
        made = edgec.compile(graph, target, path, precision=precision, verify=True)
        assert made.verification is not None
        assert all(found.sqnr_db > 25 for found in made.verification.accuracy.values())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("int7", "there is no precision 'int7'"),
        ("int8{max_drop=1}", "precision 'int8' has no option 'max_drop'"),
        ("int8-mixed{drop=1}", "precision 'int8-mixed' has no option 'drop'"),
        ("int8-mixed{max_drop=few}", "is no budget"),
    ],
)
def test_precisions_that_do_not_read(text: str, words: str) -> None:
    with pytest.raises(Error, match=words):
        with_preset([], preset_named(text), target_named("onnx").scheme, "onnx")


# -- the command ------------------------------------------------------------------------------


def test_the_command_line_reads_pictures_and_the_toml(
    digits: Path, digits_test: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "digits.onnx"
    model.write_bytes(digits.read_bytes())
    arguments = ["compile", str(model), "-o", str(tmp_path / "q.onnx"), "--verify", "--json"]
    arguments += ["--precision", "int8-fast", "--calibration", str(digits_test)]
    assert cli.main(arguments) == Kind.CALIBRATION.exit_code
    assert "--mean and --std" in capsys.readouterr().err
    (tmp_path / "digits.toml").write_text(
        "[input]\ndivide = 255\nmean = 0.1307\nstd = 0.3081\nchannels = 'gray'\n"
    )
    assert cli.main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    [accuracy] = found["verification"]["accuracy"].values()
    assert accuracy["sqnr_db"] > 20
    assert accuracy["top1_agreement"] == 1.0
    [output] = found["verification"]["outputs"].values()
    assert "steps of" in output["why"] or "roundings" in output["why"]


def test_opt_lends_data_to_passes(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "ranges.eir"
    arguments = ["opt", str(digits), "-p", "O2,calibrate{method=mse}", "-o", str(out)]
    assert cli.main(arguments) == Kind.CALIBRATION.exit_code
    assert "no data were given" in capsys.readouterr().err
    assert cli.main([*arguments, "--data", "random"]) == 0
    assert " in(" in out.read_text()


def test_every_preset_says_what_it_is() -> None:
    for name, preset in PRESETS.items():
        assert preset.name == name
        assert preset.summary


def test_verify_says_that_an_artifact_rounds_on_purpose(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "m.onnx"
    options = ["--precision", "int8", "--calibration", "random"]
    assert cli.main(["compile", str(digits), "-o", str(made), *options]) == 0
    capsys.readouterr()
    assert cli.main(["verify", str(digits), str(made)]) == Kind.MISMATCH.exit_code
    assert "compiled with --precision int8, whose rounding" in capsys.readouterr().out
