"""Reading and writing movement, indexing and shapes in every opset that differs."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import parser

from edgec.ir import Array, Error, Graph, Op, op_classes, parse_graph, sample_graph, verify
from edgec.ir.ops import Reshape
from edgec.kernels import run
from edgec.lowering.onnx import read_onnx, to_model

FAMILIES = ("move.", "index.", "shape.", "control.", "detect.")
CLASSES = [cls for name, cls in op_classes().items() if name.startswith(FAMILIES)]


def read(opset: int, body: str) -> Graph:
    """The graph of a model in ONNX's text form, verified."""
    text = f'<ir_version: 8, opset_import: ["" : {opset}]>\n{body}'
    graph = read_onnx(parser.parse_model(text))
    verify(graph)
    return graph


def outputs(graph: Graph, *inputs: Array) -> list[Any]:
    return [array.tolist() for array in run(graph, inputs).values()]


@pytest.mark.parametrize("opset", [17, 18, 21, 23, 24, 26])
@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: str(cls.op_name))
def test_every_opset_keeps_the_meaning(cls: type[Op], opset: int) -> None:
    for seed in range(4):
        graph, data = sample_graph(cls, seed)
        model = to_model(graph, opset=opset)
        onnx.checker.check_model(model, full_check=True)
        again = read_onnx(model)
        verify(again)
        expected = list(run(graph, data).values())
        for found, wanted in zip(run(again, data).values(), expected, strict=True):
            np.testing.assert_allclose(
                found.astype(np.float64), wanted.astype(np.float64), rtol=2e-3, atol=1e-6
            )


X = np.arange(6, dtype=np.float32).reshape(2, 3)

OLD_FORMS = {
    "slice with attributes": (
        9, "g (float[2,3] x) => (float[2,1] y) { y = Slice<axes=[1], starts=[-2], ends=[-1]>(x) }",
        [[[1.0], [4.0]]],
    ),
    "pad with attributes": (
        10, "g (float[2,3] x) => (float[2,5] y) { y = Pad<pads=[0,1,0,1], value=9.0>(x) }",
        [[[9.0, 0.0, 1.0, 2.0, 9.0], [9.0, 3.0, 4.0, 5.0, 9.0]]],
    ),
    "split with an attribute": (
        11, """g (float[2,3] x) => (float[2,1] a, float[2,2] b) {
            a, b = Split<axis=1, split=[1,2]>(x)
        }""",
        [[[0.0], [3.0]], [[1.0, 2.0], [4.0, 5.0]]],
    ),
    "split in equal parts": (
        13, "g (float[2,3] x) => (float[1,3] a, float[1,3] b) { a, b = Split(x) }",
        [[[0.0, 1.0, 2.0]], [[3.0, 4.0, 5.0]]],
    ),
    "top k with an attribute": (
        9, "g (float[2,3] x) => (float[2,1] v, int64[2,1] i) { v, i = TopK<k=1>(x) }",
        [[[2.0], [5.0]], [[2], [2]]],
    ),
    "top k before largest": (
        10, """g (float[2,3] x) => (float[2,1] v, int64[2,1] i) <int64[1] k = {1}> {
            v, i = TopK(x, k)
        }""",
        [[[2.0], [5.0]], [[2], [2]]],
    ),
    "unsqueeze and squeeze with attributes": (
        12, """g (float[2,3] x) => (float[2,3] y) {
            a = Unsqueeze<axes=[0,-1]>(x)
            y = Squeeze<axes=[0,3]>(a)
        }""",
        [X.tolist()],
    ),
    "squeeze of all ones": (
        13, """g (float[2,3] x) => (float[2,3] y) <int64[4] s = {1,2,3,1}> {
            a = Reshape(x, s)
            y = Squeeze(a)
        }""",
        [X.tolist()],
    ),
    "dropout with a mask of floats": (
        7, "g (float[2,3] x) => (float[2,3] y, float[2,3] m) { y, m = Dropout<ratio=0.5>(x) }",
        [X.tolist(), np.ones((2, 3)).tolist()],
    ),
    "dropout with a mask of bools": (
        12, "g (float[2,3] x) => (float[2,3] y, bool[2,3] m) { y, m = Dropout(x) }",
        [X.tolist(), np.ones((2, 3), dtype=bool).tolist()],
    ),
    "scatter under its old name": (
        9, """g (float[2,3] x) => (float[2,3] y) <int64[1,1] i = {2}, float[1,1] u = {7.0}> {
            y = Scatter<axis=1>(x, i, u)
        }""",
        [[[0.0, 1.0, 7.0], [3.0, 4.0, 5.0]]],
    ),
    "reshape with copied and left over dims": (
        13, """g (float[2,3] x) => (float[2,3,1] y) <int64[3] s = {0,-1,1}> {
            y = Reshape(x, s)
        }""",
        [X[..., None].tolist()],
    ),
    "shape of some dims": (
        15, "g (float[2,3] x) => (int64[1] y) { y = Shape<start=-1>(x) }",
        [[3]],
    ),
    "flatten of nothing": (
        13, "g (float[2,3] x) => (float[1,6] y) { y = Flatten<axis=0>(x) }",
        [X.reshape(1, 6).tolist()],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OLD_FORMS)
def test_forms_of_older_opsets(name: str) -> None:
    opset, body, expected = OLD_FORMS[name]
    assert outputs(read(opset, body), X) == expected


def test_constants_in_all_forms() -> None:
    graph = read(13, """g () => (float a, float[2] b, int64 c, int64[2] d, float[1] e) {
        a = Constant<value_float=1.5>()
        b = Constant<value_floats=[1.5,2.5]>()
        c = Constant<value_int=3>()
        d = Constant<value_ints=[3,4]>()
        e = Constant<value: tensor = float[1] {5.0}>()
    }""")  # fmt: skip
    assert outputs(graph) == [1.5, [1.5, 2.5], 3, [3, 4], [5.0]]


@pytest.mark.parametrize(
    ("indices", "expected"),
    [([1, 3], [[0.0, 7.0], [0.0, 8.0]]), ([[0, 1], [1, 0]], [[0.0, 7.0], [8.0, 0.0]])],
)
def test_sparse_constants(indices: list[Any], expected: list[Any]) -> None:
    values = onnx.numpy_helper.from_array(np.asarray([7, 8], np.float32))
    places = onnx.numpy_helper.from_array(np.asarray(indices, np.int64))
    sparse = onnx.helper.make_sparse_tensor(values, places, [2, 2])
    node = onnx.helper.make_node("Constant", [], ["y"], sparse_value=sparse)
    info = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [2, 2])
    graph = onnx.helper.make_graph([node], "g", [], [info])
    assert outputs(read_onnx(onnx.helper.make_model(graph))) == [expected]


SYMBOLIC = """g (float[B,S,12] x, float[1,1,12] t, float[B,C,H,W] im)
    => (float[b0,s0,12] e, float[b1,s1,3,4] v, float[b2,s2,12] r, int64[n] p, float[q,k] f)
    <int64[1] m1 = {-1}, int64[1] twelve = {12}, int64 zero = {0}, int64 one = {1},
     int64[1] a0 = {0}, int64[2] heads = {3,4}, int64 neg = {-1}>
{
    sh = Shape(x)
    b = Gather(sh, zero)
    bu = Unsqueeze(b, a0)
    s = Shape<start=1,end=2>(x)
    given = Concat<axis=0>(bu, m1, twelve)
    r = Reshape(x, given)
    wanted = Concat<axis=0>(bu, s, twelve)
    is_free = Equal(wanted, neg)
    count = Shape(wanted)
    ones = ConstantOfShape<value: tensor = int64[1] {1}>(count)
    filled = Where(is_free, ones, wanted)
    e = Expand(t, filled)
    split = Concat<axis=0>(bu, s, heads)
    v = Reshape(x, split)
    length = Squeeze(s, a0)
    p = Range(zero, length, one)
    f = Flatten<axis=2>(im)
}"""


def test_shape_arithmetic_is_followed() -> None:
    graph = read(17, SYMBOLIC)
    types = [str(value.type) for value in graph.outputs]
    assert types == ["f32[B,S,12]", "f32[B,S,3,4]", "f32[B,S,12]", "i64[S]", "f32[B*C,H*W]"]
    again = read_onnx(to_model(graph))
    assert [str(value.type) for value in again.outputs] == types
    assert len(again) == len(graph)


def test_a_shape_known_only_at_run_time() -> None:
    graph = read(13, "g (float[2,3] x, int64[3] s) => (float[a,b,c] y) { y = Reshape(x, s) }")
    assert run(graph, [X, np.asarray([0, -1, 1])])["y"].shape == (2, 3, 1)


def test_two_dims_that_moved_are_written_with_a_computed_shape() -> None:
    graph = read(17, """g (float[A,B,C] x) => (float[B,A,C] y) {
        a = Shape<start=0,end=1>(x)
        b = Shape<start=1,end=2>(x)
        c = Shape<start=2,end=3>(x)
        s = Concat<axis=0>(b, a, c)
        y = Reshape(x, s)
    }""")  # fmt: skip
    again = read_onnx(to_model(graph))
    assert str(again.outputs[0].type) == "f32[B,A,C]"
    assert [type(op) for op in graph.ops if op.result is graph.outputs[0]] == [Reshape]


REFUSED = {
    "sequences": ("s = SequenceConstruct(x) y = SequenceAt(s, x)", "sequences of tensors"),
    "strings": ("y = StringNormalizer(x)", "no string tensors"),
    "constants of strings": ('y = Constant<value_string="no">()', "no string"),
    "squeeze of unknown ones": ("y = Squeeze(x)", "computed at run time"),
    "axis out of range": ("y = Flatten<axis=5>(x)", "out of range"),
    "two dims left over": (
        "s = Constant<value_ints=[-1,-1]>() y = Reshape(x, s)", "not one of ONNX's"),
    "a copied dim that is not there": (
        "s = Constant<value_ints=[-1,1,0]>() y = Reshape(x, s)", "copies a dim"),
    "axes computed at run time": ("z = NonZero(x) y = Unsqueeze(x, z)", "computed at run time"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_say_why(name: str) -> None:
    nodes, why = REFUSED[name]
    with pytest.raises(Error, match="(?s).*" + why):
        read(17, f"g (float[N,3] x) => (float[N,3] y) {{ {nodes} }}")


@pytest.mark.parametrize(
    "body",
    [
        "%y = move.slice %x, starts=i64[1](1), ends=i64[1](3), axes=[0]",
        "%y = move.tile %x, repeats=i64[1](2)",
        "%y = move.expand %x, shape=i64[2](2,4)",
        "%y = math.clip %x, low=-1.5, high=100.0",
    ],
)
def test_types_that_an_operator_does_not_take_are_computed_as_wider_ones(body: str) -> None:
    graph = parse_graph(f"graph(%x: f8e5m2[4]) {{ {body} return y=%y }}")
    model = to_model(graph)
    onnx.checker.check_model(model, full_check=True)
    again = read_onnx(model)
    x = np.asarray([1.0, -2.0, 0.5, 57344.0]).astype(graph.inputs[0].type.dtype.numpy)
    (expected,), (found,) = run(graph, [x]).values(), run(again, [x]).values()
    assert found.dtype == expected.dtype
    assert found.tobytes() == expected.tobytes()


def test_a_constant_output_of_four_bits_is_written_for_an_opset_that_knows_it() -> None:
    graph = parse_graph("graph(%x: f32[2]) { return y=i4[2](-3,7), z=%x }")
    model = to_model(graph)
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version >= 21
