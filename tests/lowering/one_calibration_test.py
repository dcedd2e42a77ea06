"""One calibration, one set of integers: what the artifacts of all targets hold is read back and
compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import edgec
from edgec.ir import Array, Constant, Graph, dtypes
from edgec.ir.ops import Dequantize
from edgec.kernels import Dataset, random_dataset
from edgec.lowering import target_named
from edgec.passes import Settings, parse_pipeline, preset_named, with_preset

Grid = tuple[float, int]  # scale, and zero point of signed bytes
MODELS = ("mnist_resnet8.raw17", "mobilenet_v3_small.dyn18")


@dataclass
class Integers:
    """What an artifact holds.

    Attributes:
        weights: integers by the weights' name, with outputs along the first axis, then inputs.
        grids: of activations, by the value's name.
    """

    weights: dict[str, Array] = field(default_factory=dict)
    grids: dict[str, Grid] = field(default_factory=dict)


def of_onnx(path: Path) -> Integers:
    model = onnx.load(path)
    held = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    found = Integers()
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            scale, point = (held[name] for name in node.input[1:])
            shift = 128 if point.dtype == np.uint8 else 0
            found.grids[node.output[0].removesuffix(".q")] = (float(scale), int(point) - shift)
        if node.op_type == "DequantizeLinear" and node.input[0] in held:
            weights = held[node.input[0]]
            if weights.dtype == np.int8:
                found.weights[node.input[0]] = weights
    return found


def of_tflite(path: Path) -> Integers:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(str(path))
    found = Integers()
    operators = interpreter._get_ops_details()
    filters = {op["inputs"][1]: op["op_name"] for op in operators if op["op_name"] in _FILTERS}
    for tensor in interpreter.get_tensor_details():
        parameters = tensor["quantization_parameters"]
        if tensor["dtype"] is not np.int8 or not parameters["scales"].size:
            continue
        name = tensor["name"]
        if tensor["index"] in filters:
            turned = _FILTERS[filters[tensor["index"]]]
            integers = interpreter.get_tensor(tensor["index"])
            found.weights[name.removesuffix(".dq")] = integers.transpose(turned)
        elif parameters["scales"].size == 1:
            grid = (float(parameters["scales"][0]), int(parameters["zero_points"][0]))
            found.grids[name.removesuffix(".q")] = grid
    return found


_FILTERS = {"CONV_2D": (0, 3, 1, 2), "DEPTHWISE_CONV_2D": (3, 0, 1, 2), "FULLY_CONNECTED": (0, 1)}


def of_openvino(path: Path) -> Integers:
    model = pytest.importorskip("openvino").Core().read_model(path)
    found = Integers()
    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        if kind == "Constant" and node.get_element_type().get_type_name() == "i8":
            found.weights[node.get_friendly_name()] = np.array(node.data)
        if kind == "FakeQuantize":
            low, high = (float(node.input_value(i).get_node().data) for i in (1, 2))
            assert node.get_attributes()["levels"] == 256
            scale = (high - low) / 255
            name = min(node.output(0).get_names()).removesuffix(".dq")
            found.grids[name] = (scale, round(-low / scale) - 128)
    return found


def of_graph(graph: Graph) -> Integers:
    """Of the graph that TensorRT's writer gets: it needs no package, and no GPU."""
    found = Integers()
    for op in graph.ops_of(Dequantize):
        if isinstance(op.x, Constant) and op.x.type.dtype is dtypes.i8:
            found.weights[op.x.hint] = op.x.array
    return found


READERS: Mapping[str, Any] = {
    "m.onnx": ("onnx", of_onnx),
    "m.tflite": ("tflite", of_tflite),
    "m.xml": ("openvino", of_openvino),
}


def artifacts(model: Path, folder: Path) -> dict[str, Integers]:
    graph = edgec.load(model)
    data = random_dataset(graph, 4)
    found = {}
    for name, (target, read) in READERS.items():
        edgec.compile(graph, target, folder / name, precision="int8-fast", calibration=data)
        found[target] = read(folder / name)
    return {**found, "tensorrt": of_graph(for_tensorrt(graph, data))}


def for_tensorrt(graph: Graph, data: Dataset) -> Graph:
    target = target_named("tensorrt")
    made = graph.clone()
    passes = parse_pipeline(target.pipeline)
    preset = preset_named("int8-fast")
    passes = with_preset(passes, preset, target.scheme, target.name)
    edgec.optimize(made, passes, Settings(data=data))
    return made


def assert_one_set(found: Mapping[str, Integers], least: int) -> None:
    ours = found["onnx"]
    assert len(ours.weights) >= least
    for target, other in found.items():
        # What is written as a matrix stands on its side in some formats.
        shared = ours.weights.keys() & other.weights.keys()
        assert len(shared) >= 0.9 * len(ours.weights), target
        for name in shared:
            own = without_padding(ours.weights[name], other.weights[name])
            assert as_rows(own) == as_rows(other.weights[name]), (target, name)
    for target in ("tflite", "openvino"):
        other = found[target]
        shared = ours.grids.keys() & other.grids.keys()
        assert len(shared) >= 0.6 * min(len(ours.grids), len(other.grids)), target
        for name in shared:
            scale, point = other.grids[name]
            assert point == ours.grids[name][1], (target, name)
            assert scale == pytest.approx(ours.grids[name][0], rel=1e-6), (target, name)


def without_padding(weights: Array, other: Array) -> Array:
    """The slices that both have: ONNX Runtime's convolutions get rounder numbers of channels."""
    if weights.ndim == 2 and other.shape != weights.shape and other.T.shape != weights.shape:
        other = other.T if weights.shape[0] == other.shape[1] else other
    if weights.ndim != other.ndim or other.shape == weights.T.shape:
        return weights
    return weights[tuple(slice(length) for length in other.shape)]


def as_rows(weights: Array) -> tuple[int, tuple[bytes, ...]]:
    """The integers of each output channel; a matrix counts as itself and as its transpose."""
    flat = weights.reshape(len(weights), -1) if weights.ndim != 2 else weights
    if flat.ndim == 2 and weights.ndim == 2 and flat.shape[0] > flat.shape[1]:
        flat = flat.T
    return flat.shape[1], tuple(np.ascontiguousarray(row).tobytes() for row in flat)


def test_one_calibration_of_the_digits(digits: Path, tmp_path: Path) -> None:
    assert_one_set(artifacts(digits, tmp_path), least=10)


@pytest.mark.parametrize("name", MODELS)
def test_one_calibration_of_real_models(models: Path, name: str, tmp_path: Path) -> None:
    assert_one_set(artifacts(models / f"{name}.onnx", tmp_path), least=5)


def test_a_difference_is_noticed(digits: Path, tmp_path: Path) -> None:
    found = artifacts(digits, tmp_path)
    name, (scale, point) = next(iter(found["openvino"].grids.items()))
    found["openvino"].grids[name] = (scale, point + 1)
    with pytest.raises(AssertionError):
        assert_one_set(found, least=10)
    found["openvino"].grids[name] = (scale, point)
    name = next(iter(found["tflite"].weights))
    found["tflite"].weights[name] = found["tflite"].weights[name] ^ 1
    with pytest.raises(AssertionError):
        assert_one_set(found, least=10)
