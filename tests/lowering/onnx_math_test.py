"""Reading and writing arithmetic, activations and reductions in every opset that differs."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx.helper as oh
import pytest
from onnx import parser
from onnx.reference import ReferenceEvaluator

from edgec.ir import Builder, Error, Graph, Op, dtypes, verify
from edgec.ir.ops import (
    Cast,
    Celu,
    Clip,
    Gelu,
    LeakyRelu,
    MatMul,
    Maximum,
    Mish,
    Mod,
    RandomNormal,
    ReduceL1,
    ReduceMax,
    ReduceMean,
    ReduceSumSquare,
    Relu,
    Shift,
    Silu,
    Sin,
    Softmax,
)
from edgec.kernels import run
from edgec.lowering.onnx import read_onnx, to_model

F32 = onnx.TensorProto.FLOAT


def model(
    nodes: list[onnx.NodeProto],
    opset: int,
    inputs: dict[str, tuple[Any, ...]],
    *,
    constants: dict[str, Any] | None = None,
    dtype: int = F32,
) -> onnx.ModelProto:
    """A model whose last node computes ``y``."""
    infos = [oh.make_tensor_value_info(name, dtype, dims) for name, dims in inputs.items()]
    weights = [onnx.numpy_helper.from_array(np.asarray(a), n) for n, a in (constants or {}).items()]
    y = oh.make_tensor_value_info("y", dtype, None)
    graph = oh.make_graph(nodes, "g", infos, [y], initializer=weights)
    return oh.make_model(graph, opset_imports=[oh.make_opsetid("", opset)], ir_version=8)


def read(
    op_type: str,
    opset: int,
    *dims: tuple[Any, ...],
    constants: dict[str, Any] | None = None,
    dtype: int = F32,
    **attributes: Any,
) -> Graph:
    """The graph of one node, of the inputs x0, x1, … and then of the constants."""
    inputs = {f"x{i}": d for i, d in enumerate(dims)}
    node = oh.make_node(op_type, [*inputs, *(constants or {})], ["y"], **attributes)
    graph = read_onnx(model([node], opset, inputs, constants=constants, dtype=dtype))
    verify(graph)
    return graph


def kinds(graph: Graph) -> list[str]:
    return [op.op_name for op in graph.ops]


def only(graph: Graph, cls: type[Op]) -> Any:
    (op,) = graph.ops_of(cls)
    return op


# -- reading ------------------------------------------------------------------------------------


def test_clip_reads_bounds_from_attributes_and_from_constants() -> None:
    old = only(read("Clip", 7, (3,), min=0.0, max=6.0), Clip)
    new = only(read("Clip", 13, (3,), constants={"lo": np.float32(0), "hi": np.float32(6)}), Clip)
    assert (old.low, old.high) == (new.low, new.high) == (0.0, 6.0)
    assert only(read("Clip", 13, (3,)), Clip).attributes == {}


def test_clip_of_computed_bounds_is_a_chain() -> None:
    graph = read("Clip", 13, (3,), (), ())
    assert kinds(graph) == ["math.maximum", "math.minimum"]
    x = np.array([-2.0, 0.5, 9.0], np.float32)
    y = run(graph, [x, np.float32(-1.0), np.float32(2.0)])["y"]
    np.testing.assert_array_equal(y, [-1, 0.5, 2])


def test_clip_of_int64_keeps_bounds_that_no_float_holds() -> None:
    bound = np.int64(2**60 + 1)
    graph = read("Clip", 13, (1,), constants={"lo": bound}, dtype=onnx.TensorProto.INT64)
    assert kinds(graph) == ["math.maximum"]
    assert run(graph, [np.array([0])])["y"] == bound


@pytest.mark.parametrize("op_type", ["Softmax", "LogSoftmax", "Hardmax"])
@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1])
def test_softmax_before_opset_13_flattens(op_type: str, axis: int) -> None:
    dims = (2, 3, 4, 5)
    graph = read(op_type, 11, dims, axis=axis)
    x = np.random.default_rng(0).standard_normal(dims).astype(np.float32)
    flat = x.reshape(int(np.prod(dims[: axis % 4])), -1)
    node = oh.make_node(op_type, ["x"], ["y"], axis=1)
    expected = ReferenceEvaluator(model([node], 13, {"x": flat.shape})).run(None, {"x": flat})[0]
    found = run(graph, [x])["y"]
    np.testing.assert_allclose(found.reshape(flat.shape), expected, rtol=1e-5, atol=1e-6)


def test_softmax_before_opset_13_needs_no_reshape_over_unit_axes() -> None:
    assert only(read("Softmax", 11, ("N", 10, 1, 1)), Softmax).axis == 1
    assert kinds(read("Softmax", 11, ("N", 10, 1, 1))) == ["act.softmax"]
    symbolic = read("Softmax", 11, ("N", "C", "H", "W"))
    x = np.random.default_rng(0).standard_normal((2, 3, 2, 2)).astype(np.float32)
    np.testing.assert_allclose(run(symbolic, [x])["y"].reshape(2, -1).sum(1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("opset", "attributes", "constants"),
    [
        (11, {"axes": [-1, 1]}, {}),
        (17, {"axes": [1, 2]}, {}),
        (18, {}, {"axes": np.array([-1, 1])}),
    ],
)
def test_axes_of_reductions(opset: int, attributes: Any, constants: Any) -> None:
    graph = read("ReduceMax", opset, (2, 3, 4), constants=constants, keepdims=0, **attributes)
    op = only(graph, ReduceMax)
    assert op.axes == (1, 2)
    assert not op.keepdims


def test_no_axes_mean_all_or_none() -> None:
    empty = {"axes": np.zeros(0, np.int64)}
    assert only(read("ReduceMean", 18, (2, 3)), ReduceMean).axes == (0, 1)
    assert only(read("ReduceMean", 18, (2, 3), constants=empty), ReduceMean).axes == (0, 1)
    assert kinds(read("ReduceMean", 18, (2, 3), noop_with_empty_axes=1)) == []
    assert only(read("ReduceL1", 18, (2, 3), noop_with_empty_axes=1), ReduceL1).axes == ()


@pytest.mark.parametrize("op_type", ["CumSum", "ReduceSum"])
def test_axes_that_are_computed_are_refused_in_words(op_type: str) -> None:
    inputs = {"x": (2, 3), "a": (1,)}
    node = oh.make_node(op_type, ["x", "axes"], ["y"])
    cast = oh.make_node("Cast", ["a"], ["axes"], to=onnx.TensorProto.INT64)
    with pytest.raises(Error, match="computed at run time"):
        read_onnx(model([cast, node], 14, inputs))


def test_variadic_operators_become_chains() -> None:
    assert kinds(read("Max", 13, (2,), (2,), (1,))) == ["math.maximum"] * 2
    assert kinds(read("Sum", 13, (2,))) == []
    graph = read("Mean", 13, (2,), (2,), (2,))
    assert kinds(graph) == ["math.add", "math.add", "math.div"]
    data = [np.array([1.0, 2.0], np.float32) * k for k in (1, 2, 6)]
    np.testing.assert_array_equal(run(graph, data)["y"], [3, 6])


def test_gemm_folds_beta_into_a_constant_bias() -> None:
    bias = {"b": np.ones((4, 5), np.float32), "c": np.full(5, 3, np.float32)}
    graph = read("Gemm", 13, (2, 4), constants=bias, alpha=0.5, beta=2.0)
    op = only(graph, MatMul)
    assert op.alpha == 0.5
    np.testing.assert_array_equal(op.bias.array, np.full(5, 6))
    assert only(read("Gemm", 13, (2, 4), (4, 5), (5,), beta=0.0), MatMul).bias is None
    assert kinds(read("Gemm", 13, (2, 4), (4, 5), (5,), beta=2.0)) == ["math.mul", "linalg.matmul"]


def test_attributes_that_are_the_default_in_float32_are_the_default() -> None:
    assert only(read("LeakyRelu", 16, (2,), alpha=0.01), LeakyRelu).attributes == {}
    assert only(read("LeakyRelu", 16, (2,), alpha=0.25), LeakyRelu).attributes == {"alpha": 0.25}


def test_random_tensors_like_another_take_its_shape() -> None:
    assert only(read("RandomNormalLike", 14, (2, 3)), RandomNormal).dims == (2, 3)
    graph = read("RandomNormalLike", 14, ("N", 3), seed=1.0)
    assert run(graph, [np.zeros((4, 3), np.float32)])["y"].shape == (4, 3)


# -- writing ------------------------------------------------------------------------------------


def operators(op: Op, opset: int) -> list[str]:
    """The nodes that an op on graph inputs is written with; checked, and read back equal."""
    b = Builder()
    names = {value: f"x{i}" for i, value in enumerate(op.present_operands)}
    inputs = {v: b.add_input(name, v.type) for v, name in names.items()}
    graph = b.output(y=b.add(op.copy(operands=[v and inputs[v] for v in op.operands])).result)
    made = to_model(graph, opset=opset)
    onnx.checker.check_model(made, full_check=True)
    rng = np.random.default_rng(opset)
    data = [
        (rng.standard_normal(v.type.static_dims) * 3).astype(v.type.dtype.numpy)
        for v in graph.inputs
    ]
    expected, found = run(graph, data)["y"], run(read_onnx(made), data)["y"]
    two_bytes = found.dtype.itemsize == 2
    np.testing.assert_allclose(
        found.astype(np.float64), expected.astype(np.float64),
        rtol=2e-2 if two_bytes else 1e-5, atol=1e-6,
    )  # fmt: skip
    return [node.op_type for node in made.graph.node]


def value(dtype: Any = dtypes.f32, dims: tuple[int, ...] = (3, 4)) -> Any:
    return Builder().input("v", dtype, dims)


def test_operators_that_an_opset_lacks_are_taken_apart() -> None:
    assert operators(Gelu(value()), 20) == ["Gelu"]
    assert operators(Gelu(value()), 19) == ["Div", "Erf", "Add", "Mul", "Mul"]
    assert "Tanh" in operators(Gelu(value(), approximate="tanh"), 17)
    assert operators(Silu(value()), 24) == ["Swish"]
    assert operators(Silu(value()), 22) == ["Sigmoid", "Mul"]
    assert operators(Silu(value(), alpha=2.0), 19) == ["Mul", "Sigmoid", "Mul"]
    assert operators(Mish(value()), 18) == ["Mish"]
    assert operators(Mish(value()), 17) == ["Softplus", "Tanh", "Mul"]
    assert operators(Celu(value(dtypes.f64), alpha=2.0), 19) == ["Div", "Elu", "Mul"]
    assert operators(Mod(value(), value()), 19)[-1] == "Where"
    assert operators(Mod(value(), value(), fmod=True), 19) == ["Mod"]


def test_signed_shifts_are_made_of_unsigned_ones() -> None:
    x, y = value(dtypes.i32), value(dtypes.i32)
    assert "BitShift" in operators(Shift(x, y, left=True), 19)
    assert "BitwiseXor" in operators(Shift(x, y, left=False), 18)
    assert operators(Shift(value(dtypes.u8), value(dtypes.u8), left=True), 17) == ["BitShift"]


def test_types_that_an_operator_lacks_are_cast_around_it() -> None:
    assert operators(Sin(value(dtypes.bf16)), 19) == ["Cast", "Sin", "Cast"]
    assert operators(Sin(value(dtypes.bf16)), 22) == ["Sin"]
    assert operators(Relu(value(dtypes.i8)), 19) == ["Relu"]
    assert operators(Maximum(value(dtypes.u8), value(dtypes.u8)), 19) == ["Max"]
    boolean = ReduceMax(value(dtypes.boolean), axes=(0,))
    assert operators(ReduceMax(value(dtypes.i16), axes=(0,)), 19) == ["Cast", "ReduceMax", "Cast"]
    assert operators(boolean, 20) == ["ReduceMax"]
    assert operators(boolean, 19) == ["Cast", "ReduceMax", "Cast"]


def test_pooling_over_whole_images_has_its_own_operator() -> None:
    image = value(dims=(2, 3, 4, 5))
    assert operators(ReduceMean(image, axes=(2, 3)), 19) == ["GlobalAveragePool"]
    assert operators(ReduceMax(image, axes=(2, 3)), 19) == ["GlobalMaxPool"]
    flat = ReduceMean(image, axes=(2, 3), keepdims=False)
    assert operators(flat, 17) == ["ReduceMean"]
    assert operators(ReduceMean(image, axes=(1, 2)), 17) == ["ReduceMean"]
    assert operators(ReduceSumSquare(image, axes=()), 17) == ["Mul"]


def test_matrix_products_are_written_as_gemm_where_they_are_one() -> None:
    a, b, bias = value(dims=(3, 4)), value(dims=(5, 4)), value(dims=(5,))
    gemm = MatMul(a, b, bias, transpose_b=True, alpha=0.5)
    assert operators(gemm, 19) == ["Gemm"]
    stack = MatMul(value(dims=(2, 3, 4)), b, bias, transpose_b=True, alpha=0.5)
    assert operators(stack, 19) == ["Transpose", "MatMul", "Mul", "Add"]
    assert operators(MatMul(a, value(dims=(4, 5))), 19) == ["MatMul"]
    active = MatMul(a, b, transpose_b=True, act="relu")
    assert operators(active, 19) == ["Gemm", "Relu"]


def test_a_cast_says_saturate_only_where_it_matters() -> None:
    x = value()
    for to, opset, said in ((dtypes.f16, 19, []), (dtypes.f8e5m2, 19, ["saturate"])):
        b = Builder()
        op = Cast(b.add_input("x", x.type), to=to, saturate=False)
        graph = b.output(y=b.add(op).result)
        (node,) = to_model(graph, opset=opset).graph.node
        assert [a.name for a in node.attribute if a.name != "to"] == said
    b = Builder()
    graph = b.output(y=b.add(Cast(b.add_input("x", x.type), to=dtypes.f8e5m2)).result)
    assert to_model(graph, opset=17).opset_import[0].version == 19


def test_a_spectrum_of_a_signal_without_its_last_axis() -> None:
    """PyTorch writes real signals so, and onnxruntime takes them."""
    signal = np.random.default_rng(0).standard_normal((2, 40)).astype(np.float32)
    found = []
    for dims, array in (("2,40", signal), ("2,40,1", signal[..., None])):
        graph = read_onnx(
            parser.parse_model(f"""<ir_version: 8, opset_import: ["" : 17]>
        g (float[{dims}] x) => (float[a,b,c,d] y) {{
            step = Constant<value_int=8>()
            length = Constant<value_int=16>()
            y = STFT<onesided=1>(x, step, , length)
        }}""")
        )
        found.append(run(graph, [array])["y"])
    assert found[0].shape == (2, 4, 9, 2)
    np.testing.assert_array_equal(*found)
