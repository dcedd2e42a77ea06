"""Engines on a GPU: run by ``make test-gpu``, skipped with the reason elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from models.models_test import NAMES

import edgec
from edgec.ir import Op, Return, op_classes, sample_graph
from edgec.ir import ops as _all_ops  # noqa: F401  (declares them)
from edgec.kernels import Judge, seeded_inputs
from edgec.lowering.tensorrt import (
    TENSORRT,
    Network,
    Settings,
    TensorrtRunner,
    build_engine,
    check_expressible,
    float_products,
    parse_bounds,
    to_network,
)
from edgec.lowering.tensorrt.runtime import NO_GPU, gpu_count, package_name

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(package_name() is None, reason="no TensorRT is installed"),
    pytest.mark.skipif(gpu_count() == 0, reason=NO_GPU),
]

CLASSES = [cls for cls in op_classes().values() if cls is not Return and cls in TENSORRT.rules]
PRECISIONS = ("fp32", "fp16", "int8")
# Kernels of the GPU round in another order, and some functions are approximations.
ROUNDINGS = 16.0


def decides_dims(network: Network) -> bool:
    """True when an input's numbers do, for which no profile is set."""
    definition = network.definition
    return any(definition.get_input(i).is_shape_tensor for i in range(definition.num_inputs))


def name(cls: type[Op]) -> str:
    return cls.op_name


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("model", NAMES)
def test_the_golden_suite(models: Path, model: str, precision: str, tmp_path: Path) -> None:
    """Every model, built, run, and compared with the reference kernels."""
    graph = edgec.load(models / f"{model}.onnx")
    compiled = edgec.compile(
        graph,
        "tensorrt",
        tmp_path / "model.engine",
        precision=precision,
        calibration="random" if precision == "int8" else None,
        verify=True,
    )
    assert compiled.verification is not None
    assert compiled.verification.ok


@pytest.mark.parametrize("cls", CLASSES, ids=name)
def test_an_engine_computes_what_the_kernel_does(cls: type[Op]) -> None:
    for seed in (0, 3):
        graph, data = sample_graph(cls, seed)
        if check_expressible(graph) or decides_dims(to_network(graph)):
            continue
        inputs = dict(zip(graph.input_names, data, strict=True))
        found = TensorrtRunner(build_engine(graph)).run(inputs)
        judge = Judge(graph, inputs, factor=ROUNDINGS)
        for output in judge.expected:
            comparison = judge.compare(output, found[output])
            assert comparison, str(comparison)


def test_integers_stay_integers(digits: Path, tmp_path: Path) -> None:
    """By the inspector: no convolution of the quantized model runs in float."""
    path = tmp_path / "digits.engine"
    edgec.compile(
        edgec.load(digits), "tensorrt", path, precision="int8", calibration="random", verify=True
    )
    layers = TensorrtRunner(path).layers()
    assert layers
    assert not float_products(layers)


def test_batches_within_the_profile(digits: Path, tmp_path: Path) -> None:
    graph = edgec.load(digits)
    bounds = parse_bounds(["input:1x1x28x28/8x1x28x28/16x1x28x28"])
    runner = TensorrtRunner(build_engine(graph, Settings(shapes=bounds)))
    for batch in (1, 8, 16, 3):
        inputs = seeded_inputs(graph, shapes={"N": batch})
        judge = Judge(graph, inputs, factor=ROUNDINGS)
        for output, found in runner.run(inputs).items():
            assert judge.compare(output, found)
    with pytest.raises(edgec.Error, match="not built for"):
        runner.run(seeded_inputs(graph, shapes={"N": 17}))


def test_latency_with_and_without_a_graph(digits: Path) -> None:
    graph = edgec.load(digits)
    runner = TensorrtRunner(build_engine(graph))
    inputs = seeded_inputs(graph)
    eager, launched = (runner.latency(inputs, graph=flag) for flag in (False, True))
    assert np.isfinite([eager, launched]).all()
    assert launched < 2 * eager
