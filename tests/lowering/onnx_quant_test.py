"""ONNX ops on quantized integers, against integer arithmetic done here."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, parser

from edgec.ir import Array, Error, dtypes, verify
from edgec.ir.ops import Dequantize, Quantize
from edgec.kernels import run
from edgec.lowering.onnx import read_onnx, to_model

RNG = np.random.default_rng(0)


def evaluate(body: str, arrays: list[Array], opset: int = 19) -> Array:
    model = parser.parse_model(f'<ir_version: 9, opset_import: ["" : {opset}]>\n{body}')
    graph = read_onnx(model)
    verify(graph)
    return run(graph, arrays)["y"]


def integers(dtype: type[np.integer], *dims: int) -> Array:
    info = np.iinfo(dtype)
    return RNG.integers(info.min, info.max, dims, dtype, endpoint=True)


def requantized(accumulator: Array, scale: float, zero_point: int) -> Array:
    return np.clip(np.rint(accumulator * scale) + zero_point, 0, 255)


def test_matmul_integer_is_exact_where_float32_is_not() -> None:
    a, b = integers(np.uint8, 3, 5000), integers(np.uint8, 5000, 4)
    exact = (a.astype(np.int64) - 7) @ (b.astype(np.int64) - 3)
    assert np.abs(exact).max() > 1 << 24
    found = evaluate(
        """g (uint8[3,5000] a, uint8[5000,4] b, uint8 p, uint8 q) => (int32[3,4] y) {
            y = MatMulInteger(a, b, p, q)
        }""",
        [a, b, np.asarray(7, np.uint8), np.asarray(3, np.uint8)],
    )
    assert found.dtype == np.int32
    assert np.array_equal(found, exact)


def test_matmul_integer_with_a_zero_point_per_row_and_column() -> None:
    a, b = integers(np.uint8, 2, 3, 5), integers(np.uint8, 5, 4)
    p, q = integers(np.uint8, 3), integers(np.uint8, 4)
    exact = (a.astype(np.int64) - p[:, None]) @ (b.astype(np.int64) - q)
    found = evaluate(
        """g (uint8[2,3,5] a, uint8[5,4] b, uint8[3] p, uint8[4] q) => (int32[2,3,4] y) {
            y = MatMulInteger(a, b, p, q)
        }""",
        [a, b, p, q],
    )
    assert np.array_equal(found, exact)


def test_conv_integer_pads_with_the_zero_point() -> None:
    x, w = integers(np.uint8, 1, 1, 4), integers(np.uint8, 2, 1, 3)
    padded = np.pad(x[0, 0].astype(np.int64) - 9, 1)
    kernels = w[:, 0].astype(np.int64) - np.asarray([[1], [2]])
    exact = np.stack([np.correlate(padded, kernel, "valid") for kernel in kernels])
    found = evaluate(
        """g (uint8[1,1,4] x, uint8[2,1,3] w, uint8 p, uint8[2] q) => (int32[1,2,4] y) {
            y = ConvInteger<pads=[1,1]>(x, w, p, q)
        }""",
        [x, w, np.asarray(9, np.uint8), np.asarray([1, 2], np.uint8)],
    )
    assert np.array_equal(found[0], exact)


def test_qlinear_conv_is_within_one_step() -> None:
    x, w = integers(np.uint8, 1, 8, 6, 6), integers(np.int8, 5, 8, 1, 1)
    bias = RNG.integers(-1000, 1000, 5, np.int32)
    scales = RNG.uniform(0.01, 0.02, 5).astype(np.float32)
    x_scale, y_scale = np.float32(0.05), np.float32(0.9)
    total = np.einsum("nchw,oc->nohw", x.astype(np.int64) - 100, w[:, :, 0, 0].astype(np.int64))
    total += bias[:, None, None]
    exact = requantized(total, (x_scale * scales / y_scale)[:, None, None], 120)
    found = evaluate(
        """g (uint8[1,8,6,6] x, float xs, uint8 xz, int8[5,8,1,1] w, float[5] ws, int8[5] wz,
              float ys, uint8 yz, int32[5] bias) => (uint8[1,5,6,6] y) {
            y = QLinearConv(x, xs, xz, w, ws, wz, ys, yz, bias)
        }""",
        [x, np.asarray(x_scale), np.asarray(100, np.uint8), w, scales, np.zeros(5, np.int8),
         np.asarray(y_scale), np.asarray(120, np.uint8), bias],
    )  # fmt: skip
    difference = np.abs(found.astype(int) - exact)
    assert difference.max() <= 1
    assert np.mean(difference == 0) > 0.99


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        (dtypes.i4, [-8, -2, 0, 2, 7]),
        (dtypes.u16, [0, 0, 0, 2, 200]),
        (dtypes.i8, [-100, -2, 0, 2, 127]),
    ],
)
def test_the_type_of_the_result_without_a_zero_point(to: dtypes.DType, expected: list[int]) -> None:
    """Halves go to the even neighbour."""
    node = helper.make_node(
        "QuantizeLinear", ["x", "s"], ["y"],
        output_dtype=getattr(TensorProto, {"i4": "INT4", "u16": "UINT16", "i8": "INT8"}[to.name]),
    )  # fmt: skip
    info = helper.make_tensor_value_info
    model = helper.make_model(
        helper.make_graph(
            [node], "g",
            [info("x", TensorProto.FLOAT, [5]), info("s", TensorProto.FLOAT, [])],
            [info("y", node.attribute[0].i, [5])],
        ),
        opset_imports=[helper.make_opsetid("", 21)],
    )  # fmt: skip
    graph = read_onnx(model)
    (op,) = graph.ops_of(Quantize)
    assert op.to is to
    x = np.asarray([-50, -1.25, 0.25, 1.25, 100], np.float32)
    found = run(graph, [x, np.asarray(0.5, np.float32)])["y"]
    assert found.astype(int).tolist() == expected
    assert run(read_onnx(to_model(graph)), [x, np.asarray(0.5, np.float32)])["y"].dtype == to.numpy


def test_the_result_type_of_dequantize_before_opset_23_is_cast() -> None:
    model = parser.parse_model("""<ir_version: 10, opset_import: ["" : 23]>
        g (int8[3] x, float s) => (float16[3] y) { y = DequantizeLinear<output_dtype=10>(x, s) }""")
    graph = read_onnx(model)
    (op,) = graph.ops_of(Dequantize)
    assert op.to is dtypes.f16
    written = to_model(graph, opset=19)
    assert [node.op_type for node in written.graph.node] == ["DequantizeLinear", "Cast"]
    onnx.checker.check_model(written, full_check=True)
    data = [np.asarray([-3, 0, 9], np.int8), np.asarray(0.1, np.float32)]
    assert np.array_equal(run(read_onnx(written), data)["y"], run(graph, data)["y"])


def test_scales_that_do_not_fit_are_refused() -> None:
    with pytest.raises(Error, match="the length of scale"):
        evaluate("g (float[2,3] x, float[4] s) => (uint8[2,3] y) { y = QuantizeLinear(x, s) }", [])
