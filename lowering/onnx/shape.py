"""ONNX constants, shape arithmetic, and tensors of a computed shape."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array, Constant, DType, Value, dtypes
from edgec.ir.ops import CountOf, DimsOf, Fill, Range, Reshape
from edgec.lowering.onnx import refusals as _refusals  # noqa: F401  (fills the read table)
from edgec.lowering.onnx.node import READERS, Node, Unsupported
from edgec.lowering.onnx.tensors import read_sparse_tensor, read_tensor
from edgec.lowering.onnx.typed import first_opset, typed_node
from edgec.lowering.onnx.writer import FIRST_OPSETS, WRITERS, Writer

FIRST_OPSETS[DimsOf] = lambda op: first_opset("Shape", [op.x])
FIRST_OPSETS[CountOf] = lambda op: first_opset("Size", [op.x])


@READERS.rule("Constant")
def read_constant(node: Node) -> Value:
    tensor, sparse = node.tensor("value"), node.sparse_tensor("sparse_value")
    if tensor is not None:
        return Constant(read_tensor(tensor, node.folder))
    if sparse is not None:
        return Constant(read_sparse_tensor(sparse, node.folder))
    if node.has("value_float"):
        return node.const(node.float("value_float"), np.float32)
    if node.has("value_floats"):
        return node.const(node.floats("value_floats"), np.float32)
    if node.has("value_int"):
        return node.const(node.int("value_int"), np.int64)
    if node.has("value_ints"):
        return node.const(node.ints("value_ints"), np.int64)
    raise Unsupported("a constant wants a value that is no string")


@READERS.rule("Shape")
def read_shape(node: Node) -> Value:
    x = node.input(0)
    rank = x.type.rank
    start = _clamped(node.int("start", 0), rank)
    end = max(_clamped(node.int("end", rank), rank), start)
    return node.add(DimsOf(x, start=start, end=None if end == rank else end)).result


def _clamped(index: int, rank: int) -> int:
    return min(max(index + rank if index < 0 else index, 0), rank)


@WRITERS.rule(DimsOf)
def write_dims_of(op: DimsOf, w: Writer) -> None:
    w.node("Shape", [op.x], op.results, start=op.start or None, end=op.end)


@READERS.rule("Size")
def read_size(node: Node) -> Value:
    return node.add(CountOf(node.input(0))).result


@WRITERS.rule(CountOf)
def write_count_of(op: CountOf, w: Writer) -> None:
    w.node("Size", [op.x], op.results)


@READERS.rule("ConstantOfShape")
def read_constant_of_shape(node: Node) -> Value:
    tensor = node.tensor("value")
    if tensor is None:
        return node.add(Fill(node.input(0), value=0.0)).result
    array = read_tensor(tensor, node.folder)
    if array.size != 1:
        raise Unsupported(f"value wants one element, found {list(array.shape)}")
    dtype = dtypes.dtype_of(array.dtype)
    return node.add(Fill(node.input(0), value=_number(array, dtype), dtype=dtype)).result


def _number(array: Array, dtype: DType) -> int | float:
    return float(array.reshape(())) if dtype.is_float else int(array.reshape(()))


@WRITERS.rule(Fill)
def write_fill(op: Fill, w: Writer) -> None:
    value = np.asarray([op.value]).astype(op.dtype.numpy)
    w.node("ConstantOfShape", [op.shape], op.results, value=value)


@READERS.rule("Range")
def read_range(node: Node) -> Value:
    """Bounds of one element and another rank are let pass by runtimes, but not by ONNX."""
    start, limit, delta = (_as_scalar(node, node.input(index)) for index in range(3))
    return node.add(Range(start, limit, delta)).result


def _as_scalar(node: Node, x: Value) -> Value:
    return x if x.type.rank == 0 else node.add(Reshape(x, to=())).result


@WRITERS.rule(Range)
def write_range(op: Range, w: Writer) -> None:
    typed_node(w, "Range", [op.start, op.limit, op.delta], op.result)
