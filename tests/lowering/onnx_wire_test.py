"""Files whose weights are streamed are byte for byte what protobuf writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgec
from edgec.ir import Builder, DType, Graph, dtypes, sample_graph
from edgec.ir.ops import Add, Cast, Conv, Dequantize, If, MatMul
from edgec.lowering.onnx import to_model, write_onnx
from edgec.lowering.onnx.wire import _varint


def written(graph: Graph, path: Path) -> bytes:
    write_onnx(graph, path)
    return path.read_bytes()


def whole(graph: Graph) -> bytes:
    return bytes(to_model(graph).SerializeToString(deterministic=True))


@pytest.mark.parametrize("cls", [Add, Conv, Dequantize, If, MatMul], ids=lambda cls: cls.op_name)
def test_samples(cls: type, tmp_path: Path) -> None:
    for seed in range(5):
        graph, _ = sample_graph(cls, seed)
        assert written(graph, tmp_path / "m.onnx") == whole(graph)


@pytest.mark.parametrize("dtype", [dtypes.f32, dtypes.i4, dtypes.bf16, dtypes.i64], ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (200, 170)], ids=str)
def test_weights_of_any_size(dtype: DType, shape: tuple[int, ...], tmp_path: Path) -> None:
    b = Builder()
    data = np.ones(shape).astype(dtype.numpy)
    x = b.input("x", dtypes.f32, (1,))
    made = b.add(Cast(b.const(data, hint="w"), to=dtypes.f32)).result
    graph = b.output(y=b.add(Add(x, made)).result)
    graph.metadata["note"] = "stands after the graph"
    assert written(graph, tmp_path / "m.onnx") == whole(graph)


def test_the_digits(digits: Path, tmp_path: Path) -> None:
    graph = edgec.load(digits)
    edgec.optimize(graph, "O2")
    assert written(graph, tmp_path / "m.onnx") == whole(graph)
    onnx.checker.check_model(str(tmp_path / "m.onnx"), full_check=True)


@given(st.integers(0, 2**64 - 1))
def test_varints_are_those_of_protobuf(number: int) -> None:
    # A field of that number's bits: int64 fields are written as varints, too.
    signed = number - 2**64 if number >= 2**63 else number
    tensor = onnx.TensorProto(dims=[signed])
    assert tensor.SerializeToString() in (b"\x08" + _varint(number), b"\x0a" + _varint(
        len(_varint(number))) + _varint(number))  # fmt: skip
