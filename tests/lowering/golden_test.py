"""The golden check: it passes what is right, and blames the layer that is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import edgec
from edgec.ir import Graph, Kind
from edgec.lowering import check_artifact, load_samples
from edgec.lowering.onnx import OnnxRunner, to_model


@pytest.fixture
def graph(digits: Path) -> Graph:
    return edgec.load(digits)


@pytest.fixture
def artifact(graph: Graph) -> onnx.ModelProto:
    lowered = graph.clone()
    edgec.optimize(lowered)
    return to_model(lowered)


def test_most_layers_are_compared_and_none_differs(graph: Graph, artifact: onnx.ModelProto) -> None:
    found = check_artifact(graph, OnnxRunner(artifact), per_layer=True)
    assert found.ok
    assert found.layers_compared >= 20
    assert found.first_difference is None


@pytest.mark.parametrize("which", [0, 3, 7])
def test_a_weight_that_is_one_percent_off_is_blamed_on_its_layer(
    graph: Graph, artifact: onnx.ModelProto, which: int
) -> None:
    convolutions = [node for node in artifact.graph.node if node.op_type == "Conv"]
    broken = convolutions[which]
    [weight] = [t for t in artifact.graph.initializer if t.name == broken.input[1]]
    array = numpy_helper.to_array(weight) * np.float32(1.01)
    weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    found = check_artifact(graph, OnnxRunner(artifact), per_layer=True)
    assert not found.ok
    blamed = found.first_difference
    assert blamed is not None
    assert set(blamed.loc) & set(broken.name.split("+")), f"{blamed} is not {broken.name}"


def test_an_artifact_without_an_output_is_a_mismatch(
    graph: Graph, artifact: onnx.ModelProto
) -> None:
    artifact.graph.output[0].name = artifact.graph.node[-2].output[0]
    with pytest.raises(edgec.Error, match="has no output 'logits'") as caught:
        check_artifact(graph, OnnxRunner(artifact))
    assert caught.value.kind is Kind.MISMATCH


def test_samples_are_taken_apart_along_the_first_axis(graph: Graph, tmp_path: Path) -> None:
    images = np.zeros((5, 1, 28, 28), np.float32)
    np.savez(tmp_path / "x.npz", **{graph.input_names[0]: images})
    single = graph.clone({"N": 1})
    assert len(list(load_samples(tmp_path / "x.npz", single))) == 5
    assert len(list(load_samples(tmp_path / "x.npz", graph))) == 1, "N takes all at once"
