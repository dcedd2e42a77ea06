"""The golden check of quantized artifacts: it passes what is right and rejects what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import edgec
from edgec.ir import Array, Graph, parse_graph
from edgec.lowering import Verification, check_artifact, check_lossy
from edgec.lowering.onnx import OnnxRunner, to_model
from edgec.tools.demo import normalized

Edit = Callable[[onnx.ModelProto], None]


@pytest.fixture(scope="module")
def original(digits: Path) -> Graph:
    return edgec.load(digits)


@pytest.fixture(scope="module")
def samples(original: Graph, digits_test: Path) -> list[Mapping[str, Array]]:
    with np.load(digits_test) as arrays:
        inputs = normalized(arrays["x"][:24])
    return [{original.input_names[0]: inputs[i : i + 1]} for i in range(24)]


@pytest.fixture(scope="module")
def lowered(original: Graph, samples: list[Mapping[str, Array]]) -> Graph:
    from edgec.kernels import InMemory

    graph = original.clone()
    edgec.optimize(graph, "O2,calibrate,quantize", edgec.Settings(data=InMemory(samples, "")))
    return graph


def checked(
    original: Graph, lowered: Graph, samples: list[Mapping[str, Array]], edit: Edit | None = None
) -> Verification:
    model = to_model(lowered)
    if edit:
        edit(model)
    return check_lossy(original, lowered, OnnxRunner(model), samples=samples[:6])


def test_what_was_written_passes(
    original: Graph, lowered: Graph, samples: list[Mapping[str, Array]]
) -> None:
    found = checked(original, lowered, samples)
    assert found.ok
    [accuracy] = found.accuracy.values()
    assert accuracy.sqnr_db > 20
    assert (accuracy.top1, accuracy.rows) == (1.0, 6)
    assert found.as_json()["accuracy"]["logits"]["top1_agreement"] == 1.0


def scale_by(which: int, factor: float) -> Edit:
    """Change the scale of the values before the convolution of that number."""

    def edit(model: onnx.ModelProto) -> None:
        conv = [node for node in model.graph.node if node.op_type == "Conv"][which]
        [node] = [n for n in model.graph.node if conv.input[1] in n.output]
        [scale] = [t for t in model.graph.initializer if t.name == node.input[1]]
        array = numpy_helper.to_array(scale) * np.float32(factor)
        scale.CopyFrom(numpy_helper.from_array(array, scale.name))

    return edit


def zero_channel(model: onnx.ModelProto) -> None:
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    [node] = [n for n in model.graph.node if conv.input[1] in n.output]
    [weight] = [t for t in model.graph.initializer if t.name == node.input[0]]
    array = numpy_helper.to_array(weight).copy()
    array[np.abs(array.astype(int)).reshape(len(array), -1).sum(1).argmax()] = 0
    weight.CopyFrom(numpy_helper.from_array(array, weight.name))


@pytest.mark.parametrize(
    "edit", [scale_by(0, 1.1), scale_by(5, 1.1), zero_channel], ids=["first", "sixth", "zeroed"]
)
def test_what_was_changed_after_writing_does_not(
    original: Graph, lowered: Graph, samples: list[Mapping[str, Array]], edit: Edit
) -> None:
    assert not checked(original, lowered, samples, edit).ok


def test_a_layer_alone_is_held_to_its_own_step() -> None:
    original = parse_graph("graph g(%x: f32[1,64]) { %y = act.relu %x  return y=%y }")
    lowered = parse_graph(
        "graph g(%x: f32[1,64]) {"
        " %q = quant.quantize %x, f32[](0.05), to=i8"
        " %d = quant.dequantize %q, f32[](0.05)"
        " %y = act.relu %d"
        " return y=%y }"
    )

    class Off:
        """A runtime that is off by so many steps."""

        input_names = ("x",)

        def __init__(self, steps: float) -> None:
            self.steps = steps

        def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
            return {
                name: array + np.float32(0.05 * self.steps)
                for name, array in edgec.run(lowered, inputs).items()
            }

        def run_with_taps(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
            raise AssertionError("nobody asked for layers")

    assert check_artifact(lowered, Off(0.9)).ok, "as a model that came quantized"
    assert not check_artifact(lowered, Off(1.1)).ok
    assert not check_artifact(original, Off(0.9)).ok, "floats are not excused"
    assert check_lossy(original, lowered, Off(0.9)).ok
    assert not check_lossy(original, lowered, Off(1.1)).ok
    found = check_lossy(original, lowered, Off(0)).accuracy["y"]
    assert 20 < found.sqnr_db < 60
