"""Quantized graphs in OpenVINO: integer kernels run, and the stored integers are ours."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import edgec
from edgec.ir import Array, Constant, Graph, dtypes, parse_graph
from edgec.ir.ops import Dequantize
from edgec.kernels import InMemory, run, seeded_inputs
from edgec.lowering.openvino import OpenvinoRunner, to_model, write_openvino
from edgec.passes import Settings

pytest.importorskip("openvino", reason="openvino is not installed: pip install 'edgec[openvino]'")

# What a network on integers spends its time on; GroupConvolution is a Convolution at run time.
HEAVY = ("Convolution", "Deconvolution", "FullyConnected", "Eltwise", "Pooling", "Reduce")


def quantized(path: Path) -> tuple[Graph, dict[str, Array]]:
    graph = edgec.load(path)
    inputs = seeded_inputs(graph)
    data = InMemory([inputs], "random")
    edgec.optimize(graph, "O2,calibrate,quantize{scheme=openvino}", Settings(data=data))
    return graph, inputs


def executed(runner: OpenvinoRunner) -> Counter[tuple[str, str]]:
    """How many layers of each type ran in each precision."""
    found: Counter[tuple[str, str]] = Counter()
    for node in runner.compiled.get_runtime_model().get_ops():
        about = node.get_rt_info()
        found[about["layerType"].astype(str), about["runtimePrecision"].astype(str)] += 1
    return found


def assert_no_float_layers(runner: OpenvinoRunner) -> None:
    found = executed(runner)
    heavy = {key: count for key, count in found.items() if key[0] in HEAVY}
    assert heavy
    assert {precision for _, precision in heavy} <= {"i8", "u8"}, heavy


def sqnr(actual: Array, expected: Array) -> float:
    noise = float(np.square(actual.astype(np.float64) - expected).sum())
    return 10 * np.log10(float(np.square(expected.astype(np.float64)).sum()) / noise)


def test_the_digits_run_on_integers(digits: Path, tmp_path: Path) -> None:
    graph, inputs = quantized(digits)
    path = tmp_path / "m.xml"
    write_openvino(graph, path)
    runner = OpenvinoRunner(path)
    assert_no_float_layers(OpenvinoRunner(path, exact=False))
    for name, expected in run(graph, inputs).items():
        # The plugin fuses additions and activations into layers and so rounds at fewer places.
        assert sqnr(runner.run(inputs)[name], expected) > 30
    assert path.with_suffix(".bin").stat().st_size < 0.4 * digits.stat().st_size


def test_the_file_holds_the_weight_integers_as_they_are(digits: Path) -> None:
    graph, _ = quantized(digits)
    held = [
        node for node in to_model(graph).get_ordered_ops() if node.get_type_name() == "Constant"
    ]
    written = Counter(
        n.data.tobytes() for n in held if n.get_element_type().get_type_name() == "i8"
    )
    ours = Counter(
        op.x.array.tobytes()
        for op in graph.ops_of(Dequantize)
        if isinstance(op.x, Constant) and op.x.type.dtype is dtypes.i8
    )
    assert len(ours) > 10
    assert written == ours


@pytest.mark.parametrize(
    "name",
    ["mnist_resnet8.raw17", "mobilenet_v3_small.dyn18", "ch_ppocr_mobile_v2.0_cls_infer"],
)
def test_no_layer_of_the_real_models_stays_float(models: Path, name: str) -> None:
    graph, _ = quantized(models / f"{name}.onnx")
    found = executed(OpenvinoRunner(to_model(graph), exact=False))
    layers = {k: n for k, n in found.items() if k[0] in ("Convolution", "FullyConnected")}
    assert {precision for _, precision in layers} <= {"i8", "u8"}, layers


@pytest.mark.parametrize("stored", ["i8", "u8"])
@pytest.mark.parametrize("point", [-3, 0, 5])
def test_storing_and_reading_back_is_one_fake_quantize(stored: str, point: int) -> None:
    low, high = (-128, 127) if stored == "i8" else (0, 255)
    grid = f"scale=f32[](0.25), zero_point={stored}[]({max(point, low)})"
    graph = parse_graph(f"""graph g(%x: f32[256]) {{
      %q = quant.quantize %x, {grid}, to={stored}
      %y = quant.dequantize %q, {grid}
      return y=%y
    }}""")
    types = [node.get_type_name() for node in to_model(graph).get_ordered_ops()]
    assert "FakeQuantize" in types
    assert "Round" not in types
    # No element lies halfway between two integers, where the two forms may round apart.
    x = {"x": (np.linspace(low - 20, high + 20, 256).round() * 0.25 + 0.05).astype(np.float32)}
    found = OpenvinoRunner(to_model(graph)).run(x)["y"]
    assert np.allclose(found, run(graph, x)["y"], atol=1e-5)


def test_other_grids_on_the_way_back_are_kept() -> None:
    graph = parse_graph("""graph g(%x: f32[4]) {
      %q = quant.quantize %x, scale=f32[](0.25), zero_point=u8[](7), to=u8
      %y = quant.dequantize %q, scale=f32[](0.5), zero_point=u8[](7)
      return y=%y
    }""")
    x = {"x": np.array([-9, 0.3, 1, 70], np.float32)}
    assert np.array_equal(OpenvinoRunner(to_model(graph)).run(x)["y"], run(graph, x)["y"])
