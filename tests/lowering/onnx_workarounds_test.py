"""What ONNX Runtime computes wrongly leaves `edgec compile` in a form that it computes right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgec.ir import Builder, Graph, dtypes, parse_graph
from edgec.ir.ops import MatMul, Transpose
from edgec.kernels import run, seeded_inputs
from edgec.lowering.onnx import OnnxRunner, to_model
from edgec.lowering.onnx.workarounds import avoid_defects
from edgec.tools import driver

pytest.importorskip("onnxruntime", reason="the defect is ONNX Runtime's")


def _product(vector_first: bool, biased: bool) -> Graph:
    b = Builder()
    x = b.input("x", dtypes.f32, ("N", 2, 3))
    v = b.input("v", dtypes.f32, (3,) if vector_first else (2,))
    bias = b.const(np.arange(2 if vector_first else 3), dtypes.f32) if biased else None
    if vector_first:
        return b.output(y=b.add(MatMul(v, x, bias, transpose_b=True)).result)
    return b.output(y=b.add(MatMul(x, v, bias, transpose_a=True)).result)


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("vector_first", [False, True])
def test_a_transposed_matrix_times_a_vector(
    vector_first: bool, biased: bool, tmp_path: Path
) -> None:
    graph = _product(vector_first, biased)
    compiled = driver.compile(graph, "onnx", tmp_path / "m.onnx", pipeline="O0", verify=True)
    assert compiled.verification is not None
    assert compiled.verification.ok


def test_a_transpose_op_before_a_vector(tmp_path: Path) -> None:
    b = Builder()
    x = b.input("x", dtypes.f32, (2, 2, 3))
    v = b.input("v", dtypes.f32, (2,))
    turned = b.add(Transpose(x, perm=(0, 2, 1))).result
    graph = b.output(y=b.add(MatMul(turned, v)).result)
    compiled = driver.compile(graph, "onnx", tmp_path / "m.onnx", pipeline="O0", verify=True)
    assert compiled.verification is not None
    assert compiled.verification.ok


FLOAT_LAYER = """graph g(%x: f32[2,3,8,8]) {
  %qx = quant.quantize %x, f32[](0.02), u8[](128), to=u8
  %dx = quant.dequantize %qx, f32[](0.02), u8[](128)
  LAYER
  %qc = quant.quantize %c, f32[](0.01), u8[](128), to=u8
  %y = quant.dequantize %qc, f32[](0.01), u8[](128)
  return y=%y
}"""
LAYERS = {
    "convolution": "%c = nn.conv %dx, w=%w, bias=%b",
    "relu": '%c = nn.conv %dx, w=%w, bias=%b, act="relu"',
    "clip behind": "%a = nn.conv %dx, w=%w, bias=%b\n  %c = math.clip %a, low=-1.0, high=1.0",
    "deconvolution": "%c = nn.conv_transpose %dx, w=%v, bias=%b",
}


def _layer_in_float(layer: str) -> Graph:
    """Weights of which one is much larger than the others: one scale for all loses these."""
    rng = np.random.default_rng(0)
    weights = 0.01 * rng.standard_normal((4, 3, 3, 3)).astype(np.float32)
    weights[0, 0, 0, 0] = 8.0
    text = FLOAT_LAYER.replace("LAYER", LAYERS[layer])
    for name, value in (("w", weights), ("v", weights.transpose(1, 0, 2, 3)), ("b", np.zeros(4))):
        numbers = ", ".join(repr(float(n)) for n in np.asarray(value, np.float32).ravel())
        dims = ",".join(map(str, value.shape))
        text = text.replace(f"%{name},", f"f32[{dims}]({numbers}),")
        text = text.replace(f"bias=%{name}", f"bias=f32[{dims}]({numbers})")
    return parse_graph(text)


@pytest.mark.parametrize("layer", LAYERS)
def test_float_weights_between_integers_stay_float(layer: str) -> None:
    """Its WeightBiasQuantization makes 8-bit integers of them unasked."""
    graph = _layer_in_float(layer)
    inputs = seeded_inputs(graph)
    expected = run(graph, inputs)["y"]
    plain = OnnxRunner(to_model(graph)).run(inputs)["y"]
    written = graph.clone()
    avoid_defects(written)
    found = OnnxRunner(to_model(written)).run(inputs)["y"]
    step = 0.01
    assert np.abs(found - expected).max() <= 1.01 * step
    assert np.mean(np.abs(found - expected) > step / 2) < 0.01, "halves that round otherwise"
    assert np.mean(np.abs(plain - expected) > step / 2) > 0.05, "the defect is still there"


def test_a_layer_that_hands_on_floats_is_left_alone() -> None:
    text = FLOAT_LAYER.replace("return y=%y", "return y=%y, z=%c").replace("LAYER", LAYERS["relu"])
    graph = parse_graph(
        text.replace("%w", "f32[4,3,1,1](" + ", ".join(["0.5"] * 12) + ")").replace(
            "%b", "f32[4](0.0, 0.0, 0.0, 0.0)"
        )
    )
    before = str(to_model(graph))
    avoid_defects(graph)
    assert str(to_model(graph)) == before
