"""The whole story in half a minute: read, look, optimize, write, run, compare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgec
from edgec.ir.ops import BatchNorm, Conv
from edgec.lowering.onnx import OnnxRunner
from edgec.tools.demo import normalized


def test_a_trained_model_goes_in_and_the_same_answers_come_out(
    digits: Path, digits_test: Path, tmp_path: Path
) -> None:
    graph = edgec.load(digits)
    assert any(graph.ops_of(BatchNorm)), "the model comes with its batch norms apart"

    compiled = edgec.compile(graph, "onnx", tmp_path / "out.onnx", verify=True)
    assert compiled.verification is not None
    assert compiled.verification.ok
    assert not any(compiled.graph.ops_of(BatchNorm)), "they were fused into the convolutions"
    assert len(list(compiled.graph.ops_of(Conv))) == len(list(graph.ops_of(Conv)))

    with np.load(digits_test) as arrays:
        samples, labels = normalized(arrays["x"][:200]), arrays["y"][:200]
    runner = OnnxRunner(tmp_path / "out.onnx")
    executor = edgec.Executor(graph)
    hits = 0
    for index in range(len(samples)):
        feed = {graph.input_names[0]: samples[index : index + 1]}
        [theirs], [ours] = runner.run(feed).values(), executor.run(feed).values()
        assert theirs.argmax() == ours.argmax()
        hits += int(ours.argmax() == labels[index])
    assert hits >= 190, f"{hits} of 200 digits are right; the model was trained to 98.5 %"


def test_the_text_form_is_the_model(digits: Path, tmp_path: Path) -> None:
    graph = edgec.load(digits)
    edgec.save(graph, tmp_path / "digits.eir")
    again = edgec.load(tmp_path / "digits.eir")
    assert edgec.print_graph(again) == edgec.print_graph(graph)


def test_an_error_names_the_users_own_node(tmp_path: Path) -> None:
    import onnx

    x, y = (
        onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1, 4]) for n in ("x", "y")
    )
    node = onnx.helper.make_node("Relux", ["x"], ["y"], name="layer7.act")
    graph = onnx.helper.make_graph([node], "bad", [x], [y])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    with pytest.raises(edgec.Error, match=r"layer7\.act.*Relux") as caught:
        edgec.load(model.SerializeToString())
    assert caught.value.exit_code == 3
