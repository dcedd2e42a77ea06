"""A model read from its file, weights mapped, is the model read from its bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import edgec
from edgec.ir import Constant, Error, Graph, Weight, canonical_hash, print_graph
from edgec.ir.weight import _map_of
from edgec.lowering.onnx import mapped, read_onnx, write_onnx

SIDE = 40  # 6,400 bytes: more than a page


def weight(name: str, seed: int) -> TensorProto:
    data = np.random.default_rng(seed).standard_normal((SIDE, SIDE)).astype(np.float32)
    return numpy_helper.from_array(data, name)


@pytest.fixture(autouse=True)
def every_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "LARGE_FILE", 1)


def model() -> onnx.ModelProto:
    """Large weights as an initializer, as a Constant node, and inside of a branch; a small one."""

    def branch(name: str, seed: int) -> onnx.GraphProto:
        nodes = [
            helper.make_node("Constant", [], [f"{name}.w"], value=weight("", seed)),
            helper.make_node("MatMul", ["c", f"{name}.w"], [name], name=f"{name}.matmul"),
        ]
        return helper.make_graph(nodes, name, [], [out(name)])

    def out(name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, SIDE])

    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["b"], name="first"),
        helper.make_node("Constant", [], ["k"], value=weight("", 1)),
        helper.make_node("MatMul", ["b", "k"], ["c0"], name="second"),
        helper.make_node("Mul", ["c0", "small"], ["c"], name="third"),
        helper.make_node(
            "If", ["p"], ["y"], then_branch=branch("t", 2), else_branch=branch("e", 3), name="if"
        ),
    ]
    small = numpy_helper.from_array(np.full((1,), 2, dtype=np.float32), "small")
    condition = helper.make_tensor_value_info("p", TensorProto.BOOL, [])
    graph = helper.make_graph(
        nodes, "g", [out("x"), condition], [out("y")], [weight("a", 0), small]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def weights(graph: Graph) -> list[Constant]:
    return [c for c in graph.constants if c.weight.type.nbytes() >= mapped.LARGE]


@pytest.mark.parametrize("pad", range(4))
def test_mapped_wherever_the_weights_are(pad: int, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    proto = model()
    proto.producer_name = "p" * pad  # moves the weights against the alignment of their elements
    path.write_bytes(proto.SerializeToString())
    graph = read_onnx(path)
    assert print_graph(graph) == print_graph(read_onnx(path.read_bytes()))
    assert [_map_of(c.weight.stored) is not None for c in weights(graph)] == [True] * 4
    inputs = {"x": np.ones((1, SIDE), np.float32), "p": np.array(True)}
    np.testing.assert_array_equal(
        edgec.run(graph, inputs)["y"], edgec.run(proto_graph(), inputs)["y"]
    )
    write_onnx(graph, path)  # over the file that is mapped
    assert canonical_hash(read_onnx(path)) == canonical_hash(graph)


def proto_graph() -> Graph:
    return read_onnx(model())


def test_a_linked_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(model().SerializeToString())
    link = tmp_path / "link.onnx"
    link.symlink_to(tmp_path / "m.onnx")
    assert print_graph(read_onnx(link)) == print_graph(proto_graph())


def outcome(source: Path | bytes, name: str) -> str:
    try:
        return print_graph(read_onnx(source))
    except Error as error:
        return str(error).replace(name, "the model")


@settings(max_examples=60)
@given(st.data())
def test_damaged_files_end_as_their_bytes_do(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(model().SerializeToString())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(1, len(content) - 1))]
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "m.onnx"
    path.write_bytes(content)
    assert outcome(path, str(path)) == outcome(bytes(content), str(path))


def test_a_weight_that_is_not_aligned_is_copied_once_at_a_time() -> None:
    raw = np.arange(41, dtype=np.uint8)[1:].view(np.float32)
    held = Weight(raw)
    assert not held.stored.flags.aligned
    assert held.array.flags.aligned
    first = held.array
    assert held.array is first
    np.testing.assert_array_equal(first.view(np.uint8), raw.view(np.uint8))
    assert held.digest == Weight(raw.copy()).digest
