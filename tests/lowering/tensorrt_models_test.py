"""Real models as TensorRT networks and engines. With EDGEC_ALL_ENGINES=1 in the environment every
model is built in every precision; without it two of them are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from models.models_test import NAMES

import edgec
from edgec.ir import Array, Constant, Graph, Range
from edgec.ir.ops import Conv, ConvTranspose, Dequantize, MatMul, Quantize
from edgec.kernels import Judge, run, seeded_inputs
from edgec.lowering import legalize, target_named
from edgec.lowering.tensorrt import (
    Readback,
    build_engine,
    check_expressible,
    to_network,
    write_package,
)
from edgec.passes import parse_pipeline, preset_named, with_preset
from edgec.tools import driver

pytest.importorskip(
    "tensorrt_rtx", reason="tensorrt-rtx is not installed: pip install 'edgec[tensorrt]'"
)

ALL = os.environ.get("EDGEC_ALL_ENGINES") == "1"
SMALL = ("mnist_mbv2.raw17", "mnist_resnet8.raw17")
BUILT = NAMES if ALL else SMALL
PRECISIONS = ("fp32", "fp16", "bf16", "int8")


def lowered(graph: Graph, precision: str) -> Graph:
    """As ``edgec compile -t tensorrt --precision …`` makes it, calibrated on random inputs."""
    target = target_named("tensorrt")
    passes = with_preset(
        parse_pipeline(target.pipeline), preset_named(precision), target.scheme, target.name
    )
    data = driver.data_of("random", graph, None) if precision == "int8" else None
    settings = driver.Settings(data=data) if data is not None else None
    made = graph.clone()
    driver.optimize(made, passes, settings)
    legalize(made, target)
    return made


@pytest.mark.parametrize("name", NAMES)
def test_the_network_computes_what_the_model_does(models: Path, name: str) -> None:
    """Read back layer by layer, before any builder runs."""
    graph = edgec.load(models / f"{name}.onnx")
    inputs = seeded_inputs(graph)
    found = Readback(to_network(lowered(graph, "fp32"))).run(inputs)
    judge = Judge(graph, inputs)
    for output in judge.expected:
        comparison = judge.compare(output, found[output])
        assert comparison, str(comparison)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", BUILT)
def test_engines(models: Path, name: str, precision: str) -> None:
    graph = lowered(edgec.load(models / f"{name}.onnx"), precision)
    assert len(build_engine(graph)) > 10_000


@pytest.mark.parametrize("name", BUILT)
def test_integers(models: Path, name: str) -> None:
    """Every convolution and product with weights takes integers, and the network read back is the
    quantized graph to the bit."""
    graph = edgec.load(models / f"{name}.onnx")
    made = lowered(graph, "int8")
    products = [*made.ops_of(Conv, ConvTranspose, MatMul)]
    floats = [op.op_name for op in products if not all(map(is_integer, op.operands[:2]))]
    assert products
    assert not floats
    inputs = seeded_inputs(graph)
    found, expected = Readback(to_network(made)).run(inputs), run(made, [*inputs.values()])
    for output, wanted in expected.items():
        np.testing.assert_allclose(found[output], wanted, rtol=1e-5, atol=1e-6)


def is_integer(value: object) -> bool:
    return isinstance(getattr(value, "producer", None), Dequantize)


# -- one calibration -----------------------------------------------------------------------------


def integer_weights(graph: Graph) -> dict[str, Array]:
    """The stored integers of every layer's weights, by layer."""
    found = {}
    for op in graph.ops_of(Conv, ConvTranspose, MatMul):
        stored = op.operands[1]
        assert stored is not None
        assert isinstance(stored.producer, Dequantize)
        assert isinstance(stored.producer.x, Constant)
        found["+".join(op.loc)] = stored.producer.x.array
    return found


def test_weights_are_the_integers_of_every_target(models: Path) -> None:
    """From one calibration; the scales of activations are the symmetric ones of its ranges."""
    graph = edgec.load(models / "mnist_mbv2.raw17.onnx")
    data = driver.data_of("random", graph, None)
    driver.optimize(graph, "O2,calibrate", driver.Settings(data=data))
    ranges: Mapping[str, Range | None] = {v.hint: v.range for op in graph.ops for v in op.results}
    made = {}
    for scheme in ("onnx", "tensorrt"):
        made[scheme] = graph.clone()
        driver.optimize(made[scheme], f"quantize{{scheme={scheme}}}")
    onnx, tensorrt = integer_weights(made["onnx"]), integer_weights(made["tensorrt"])
    assert onnx.keys() == tensorrt.keys()
    assert all(np.array_equal(onnx[layer], tensorrt[layer]) for layer in onnx)
    stored = [layer.own for layer in Readback(to_network(made["tensorrt"])).layers
              if layer.kind == "CONSTANT" and isinstance(layer.own.weights, np.ndarray)
              and layer.own.weights.dtype == np.int8]  # fmt: skip
    kept = sorted(bytes(own.weights.tobytes()) for own in stored)
    assert kept == sorted(array.tobytes() for array in tensorrt.values())
    compared = 0
    for op in made["tensorrt"].ops_of(Quantize):
        known = ranges.get(op.x.hint)
        if known is not None and isinstance(op.scale, Constant):
            widest = max(-known.low, known.high)
            assert op.scale.array.item() == pytest.approx(widest / 127, rel=1e-6)
            compared += 1
    assert compared > 5


# -- the build package ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["efficientnet_lite0.ts17"])
def test_a_package_builds_by_itself(models: Path, name: str, tmp_path: Path) -> None:
    """The standalone script, in a process of its own, with TensorRT-RTX's parser."""
    made = lowered(edgec.load(models / f"{name}.onnx"), "int8")
    files = write_package(made, tmp_path / "package", precision="int8")
    assert [path.name for path in files] == [
        "README.md", "build.py", "check.py", "golden_inputs.npz", "golden_outputs.npz",
        "model.onnx", "package.json", "trtexec.sh",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "build.py"], cwd=tmp_path / "package", capture_output=True, text=True
    )
    assert not done.returncode, done.stderr
    assert (tmp_path / "package" / "model.engine").stat().st_size > 1_000_000


def test_the_checker_tells_right_from_wrong(tmp_path: Path) -> None:
    from edgec.lowering.tensorrt.onboard import check

    right = {"y": np.random.default_rng(0).standard_normal((4, 10)).astype(np.float32)}
    [row] = check.compare(right, right)
    assert row["error"] == 0
    assert row["same"] == 1
    for wrong in (1.2 * right["y"], right["y"][:, ::-1], np.roll(right["y"], 1, axis=0)):
        [row] = check.compare({"y": wrong}, right)
        assert row["error"] > 0.1


def test_nothing_is_refused_in_real_models(models: Path) -> None:
    """Read as they are, without any pass."""
    for name in BUILT:
        assert not check_expressible(edgec.load(models / f"{name}.onnx"))
