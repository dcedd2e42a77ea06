"""Reading If, Loop and Scan: branches that are decided, dims that a body changes, refusals."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import parser

from edgec.ir import Error, Graph, symbol, verify
from edgec.ir.ops import If, Loop
from edgec.kernels import run
from edgec.lowering.onnx import read_onnx, reader, to_model

BRANCHES = """
    then_branch = left () => (float[a] l) { l = Relu(x) },
    else_branch = right () => (float[b] r) { r = Concat<axis=0>(x, x) }
"""
X = np.asarray([-1, 2], dtype=np.float32)


def read(body: str, opset: int = 17) -> Graph:
    graph = read_onnx(parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]>\n{body}'))
    verify(graph)
    return graph


def test_branches_of_different_dims_join_to_a_new_one() -> None:
    graph = read(f"g (float[N] x, bool c) => (float[M] y) {{ y = If (c) <{BRANCHES}> }}")
    (dim,) = graph.outputs[0].type.dims
    assert dim not in (symbol("N"), 2 * symbol("N"))
    assert run(graph, [X, np.asarray(True)])["y"].tolist() == [0, 2]
    assert run(graph, [X, np.asarray(False)])["y"].tolist() == [-1, 2, -1, 2]


def test_a_decided_branch_is_read_in_place() -> None:
    graph = read(f"""g (float[N] x) => (float[N] y) {{
        size = Size(x)
        none = Constant<value_int=-1>()
        c = Equal(size, none)
        y = If (c) <{BRANCHES}>
    }}""")
    assert not list(graph.ops_of(If))
    assert str(graph.outputs[0].type) == "f32[2*N]"


COUNTING = """g (float[N] x, int64 n) => (float[M] y, float[t,N] z) {
    y, z = Loop (n, , x) <body = body
        (int64 i, bool go, float[k] state) => (bool going, float[m] after, float[N] scan)
        <bool on = {1}> {
            going = Identity(on)
            after = CHANGE
            scan = Neg(x)
        }>
}"""


SIZES = """g (float[N] x, bool c) => (float[2,K] y) {
    two = Constant<value_ints=[2, 2]>()
    three = Constant<value_ints=[2, 3]>()
    y = If (c) <
        then_branch = left () => (float[2,2] l) { l = Reshape(x, two) },
        else_branch = right () => (float[2,3] r) { r = Reshape(x, three) }>
}"""


@pytest.mark.parametrize("size", [4, 6])
def test_a_branch_for_another_size_of_the_input_is_never_taken(size: int) -> None:
    graph = read(SIZES.replace("N", str(size)))
    assert [op.op_name for op in graph.ops] == ["move.reshape"]
    assert graph.outputs[0].type.dims == (2, size // 2)


def test_branches_neither_of_which_fits_are_refused() -> None:
    with pytest.raises(Error, match="elements"):
        read(SIZES.replace("N", "5"))


def test_a_loop_that_keeps_its_dims() -> None:
    graph = read(COUNTING.replace("CHANGE", "Add(state, x)"))
    y, z = graph.outputs
    assert y.type.dims == (symbol("N"),)
    assert z.type.dims[1] == symbol("N")
    found = run(graph, [X, np.asarray(3)])
    assert found["y"].tolist() == [-4, 8]
    assert found["z"].tolist() == [[1, -2]] * 3


def test_a_loop_that_changes_its_dims() -> None:
    graph = read(COUNTING.replace("CHANGE", "Concat<axis=0>(state, x)"))
    (loop,) = graph.ops_of(Loop)
    assert loop.result.type.dims != (symbol("N"),)
    assert loop.regions[0].inputs[2].type.dims != (symbol("N"),)
    for trips in (0, 2):
        assert run(graph, [X, np.asarray(trips)])["y"].tolist() == X.tolist() * (trips + 1)
    assert len(graph.inputs[0].users) == 3, "a body that was read in vain has left no uses"
    again = read_onnx(to_model(graph))
    assert run(again, [X, np.asarray(2)])["y"].tolist() == X.tolist() * 3


def test_a_loop_of_known_length() -> None:
    counted = COUNTING.replace(", int64 n)", ")")
    counted = counted.replace("{\n    y, z", "<int64 n = {4}> {\n    y, z", 1)
    graph = read(counted.replace("CHANGE", "Add(state, x)"))
    assert graph.outputs[1].type.dims == (4, symbol("N"))


def test_a_loop_ends_with_its_condition() -> None:
    graph = read("""g (float[N] x) => (float[N] y) <int64 most = {9}, float[1] limit = {5}> {
        y = Loop (most, , x) <body = body
            (int64 i, bool go, float[N] state) => (bool going, float[N] after) {
                after = Add(state, state)
                top = ReduceMax<keepdims=0>(after)
                lid = ReduceMax<keepdims=0>(limit)
                going = Less(top, lid)
            }>
    }""")
    assert run(graph, [X])["y"].tolist() == [-4, 8]


def test_what_a_loop_returns_is_its_own() -> None:
    """Neither the operand's memory nor that of a constant."""
    graph = read("""g (float[2] x, int64 n) => (float[2] y) <float[2] one = {1,1}> {
        y = Loop (n, , x) <body = body
            (int64 i, bool go, float[2] state) => (bool going, float[2] after) {
                going = Identity(go)
                after = Identity(one)
            }>
    }""")
    for trips, expected in ((0, [-1, 2]), (1, [1, 1])):
        found = run(graph, [X, np.asarray(trips)])["y"]
        assert found.tolist() == expected
        found[:] = 7
        assert X.tolist() == [-1, 2]
        assert run(graph, [X, np.asarray(trips)])["y"].tolist() == expected


def test_a_body_that_changes_the_rank_is_refused() -> None:
    with pytest.raises(Error, match=r"(?s)returns f32.* for the next iteration"):
        read(COUNTING.replace("CHANGE", "Unsqueeze<axes=[0]>(state)"), opset=12)


@pytest.mark.parametrize(
    ("lengths", "batch", "why"),
    [("x", 1, "sequences of different lengths"), ("", "N", "size of the batch is not known")],
)
def test_scans_with_a_batch_that_are_refused(lengths: str, batch: int | str, why: str) -> None:
    cell = onnx.helper.make_graph([], "cell", [], [])
    node = onnx.helper.make_node("Scan", [lengths, "x"], ["y"], body=cell, num_scan_inputs=1)
    info = [onnx.helper.make_tensor_value_info(name, 1, [batch, 2, 3]) for name in "xy"]
    graph = onnx.helper.make_graph([node], "g", info[:1], info[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 8)])
    with pytest.raises(Error, match=why):
        read_onnx(model)


def test_loops_in_loops_are_read_a_bounded_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each level doubles the number of readings, as each body changes a dim."""
    monkeypatch.setattr(reader, "MAX_REGIONS", 200)
    body = "after = Concat<axis=0>(state, x)"
    for level in range(16):
        body = f"""after = Loop (n, , state) <body = body{level}
            (int64 i{level}, bool go, float[k] state) => (bool going, float[m] after)
            {{ going = Identity(go) {body} }}>"""
    with pytest.raises(Error, match="subgraphs were read"):
        read(f"g (float[N] x, int64 n, float[N] state) => (float[M] after) {{ {body} }}")
