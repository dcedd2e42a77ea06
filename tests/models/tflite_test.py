"""Every real model, through LiteRT."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from models.models_test import NAMES

import edgec
from edgec.ir import Graph, Op
from edgec.kernels import Executor, seeded_inputs
from edgec.lowering import check_artifact
from edgec.lowering.tflite import TfliteRunner, to_file

pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed: pip install 'edgec[tflite]'")

# What is left of the transposes: one at each input and output, as models have channels first;
# attention swaps axes of its own.
TRANSPOSES = {
    "kws_crnn.ts17": 1,
    "mnist_mbv2.raw17": 0,
    "mnist_resnet8.raw17": 0,
    "mobilevit_xxs.ts17": 25,
    "silero_vad_16k_op15": 1,
}
OTHERS = ("kws_crnn.ts17", "mobilevit_xxs.ts17", "silero_vad_16k_op15")
CONVOLUTIONAL = [name for name in NAMES if name not in OTHERS]


def builtins(graph: Graph, **options: str) -> Counter[str]:
    file = to_file(graph, **options)
    return Counter(o.builtin for s in file.main.nested for o in s.operators)


@pytest.mark.parametrize("name", NAMES)
def test_compiles_and_verifies_per_layer(models: Path, name: str, tmp_path: Path) -> None:
    graph = edgec.load(models / f"{name}.onnx")
    path = tmp_path / "m.tflite"
    compiled = edgec.compile(graph, "tflite", path)
    found = check_artifact(graph, TfliteRunner(path), per_layer=True)
    assert found.ok
    assert found.first_difference is None
    assert found.layers_compared >= 8
    assert builtins(compiled.graph)["TRANSPOSE"] <= TRANSPOSES.get(name, 1)


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_no_transpose_is_left_with_channels_last(models: Path, name: str, tmp_path: Path) -> None:
    graph = edgec.load(models / f"{name}.onnx")
    options = {"io_layout": "nhwc"}
    compiled = edgec.compile(graph, "tflite", tmp_path / "m.tflite", options=options)
    assert builtins(compiled.graph, **options)["TRANSPOSE"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_float16_weights(models: Path, name: str, tmp_path: Path) -> None:
    if name == "yolox_nano_like.ts17":
        pytest.skip("its random weights lead to exp of numbers whose rounding decides everything")
    graph = edgec.load(models / f"{name}.onnx")
    single = edgec.compile(graph, "tflite", tmp_path / "single.tflite")
    compiled = edgec.compile(graph, "tflite", tmp_path / "m.tflite", precision="fp16", verify=True)
    assert compiled.size < 0.75 * single.size


@pytest.mark.parametrize(
    "name",
    ["mnist_mbv2.raw17", "mnist_resnet8.raw17", "mobilenet_v2.raw17", "mobilenet_v3_small.dyn18",
     "shufflenet_v2_x1_0.raw17", "efficientnet_lite0.ts17", "ch_ppocr_mobile_v2.0_cls_infer"],
)  # fmt: skip
def test_integers_of_every_layer_are_the_same(models: Path, name: str, tmp_path: Path) -> None:
    graph = edgec.load(models / f"{name}.onnx")
    samples = [seeded_inputs(graph, seed=seed) for seed in range(2)]
    path = tmp_path / "m.tflite"
    compiled = edgec.compile(graph, "tflite", path, precision="int8", calibration=samples)
    shown = TfliteRunner(path, resolver="reference").run_with_taps(samples[0])
    compared: list[str] = []

    def look(op: Op, results: tuple[edgec.Array, ...]) -> None:
        for value, array in zip(op.results, results, strict=True):
            actual = shown.get(value.hint)
            if actual is not None and actual.dtype == array.dtype == np.int8:
                np.testing.assert_array_equal(actual, array, value.hint)
                compared.append(value.hint)

    Executor(compiled.graph).run(samples[0], tap=look)
    assert len(compared) >= 15
