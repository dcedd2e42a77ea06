"""Every real model, through OpenVINO, in every precision."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from models.models_test import NAMES

import edgec
from edgec.kernels import random_dataset
from edgec.lowering import check_artifact
from edgec.lowering.openvino import OpenvinoRunner

pytest.importorskip("openvino", reason="openvino is not installed: pip install 'edgec[openvino]'")

# Layers that hold most of the work; they are to run on integers in every quantized model.
HEAVY = ("Convolution", "Deconvolution", "FullyConnected")
# Of these models the plugin keeps so many heavy layers in floats.
FLOAT: dict[str, int] = {}
# Random weights before exp: 16 bits of their sizes move results by more than they are.
AMPLIFIED = ("yolox_nano_like.ts17",)
TWINS = ("efficientnet_lite0.ts17",)  # of another export that is tested
QUANTIZED = [name for name in NAMES if name not in TWINS]


def heavy_in_floats(runner: OpenvinoRunner) -> Counter[str]:
    nodes = (node.get_rt_info() for node in runner.compiled.get_runtime_model().get_ops())
    kinds = ((n["layerType"].astype(str), n["runtimePrecision"].astype(str)) for n in nodes)
    return Counter(kind for kind, precision in kinds if kind in HEAVY and precision == "f32")


@pytest.mark.parametrize("name", NAMES)
def test_fp32_agrees_layer_by_layer(models: Path, name: str, tmp_path: Path) -> None:
    graph = edgec.load(models / f"{name}.onnx")
    edgec.compile(graph, "openvino", tmp_path / f"{name}.xml")
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{name}.bin", f"{name}.xml"]
    found = check_artifact(graph, OpenvinoRunner(tmp_path / f"{name}.xml"), per_layer=True)
    assert found.ok, found
    assert found.first_difference is None
    assert found.layers_compared > len(graph) / 10


@pytest.mark.parametrize("name", QUANTIZED)
def test_fp16_stores_half_and_computes_the_same(models: Path, name: str, tmp_path: Path) -> None:
    graph = edgec.load(models / f"{name}.onnx")
    compiled = edgec.compile(
        graph, "openvino", tmp_path / "m.xml", precision="fp16", verify=name not in AMPLIFIED
    )
    assert (compiled.verification is None) == (name in AMPLIFIED)
    weights = sum(constant.array.nbytes for constant in graph.constants)
    assert (tmp_path / "m.bin").stat().st_size < 0.6 * weights


@pytest.mark.parametrize("name", QUANTIZED)
def test_int8_runs_on_integers(models: Path, name: str, tmp_path: Path) -> None:
    graph = edgec.load(models / f"{name}.onnx")
    compiled = edgec.compile(
        graph,
        "openvino",
        tmp_path / "m.xml",
        precision="int8-fast",
        calibration=random_dataset(graph, 2),
        samples=random_dataset(graph, 1),
        verify=True,
    )
    assert compiled.verification is not None
    left = heavy_in_floats(OpenvinoRunner(tmp_path / "m.xml", exact=False))
    assert left.total() <= FLOAT.get(name, 0), left


def test_every_model_is_there(models: Path) -> None:
    """Those that are absent are skipped by name, not forgotten."""
    assert {path.stem for path in models.glob("*.onnx")} <= {*NAMES}
