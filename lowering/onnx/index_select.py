"""ONNX ops that select elements by what they are."""

from __future__ import annotations

import numpy as np

from edgec.ir import Value
from edgec.ir.ops import Compress, EyeLike, NonZero, OneHot, TopK, Trilu, Unique
from edgec.ir.ops.common import normalized_axis
from edgec.lowering.onnx.node import READERS, Node, Read
from edgec.lowering.onnx.tensors import dtype_from_onnx, dtype_to_onnx
from edgec.lowering.onnx.writer import WRITERS, Writer


@READERS.rule("TopK")
def read_top_k(node: Node) -> Read:
    """k is an attribute before opset 10; largest and sorted exist since 11."""
    x = node.input(0)
    k = node.const([node.int("k")], np.int64) if node.opset < 10 else node.input(1)
    op = TopK(
        x,
        k,
        axis=normalized_axis(node.int("axis", -1), x.type.rank),
        largest=bool(node.int("largest", 1)),
        sorted=bool(node.int("sorted", 1)),
    )
    return node.add(op).results


@WRITERS.rule(TopK)
def write_top_k(op: TopK, w: Writer) -> None:
    largest, ordered = (None if flag else 0 for flag in (op.largest, op.sorted))
    w.node("TopK", [op.x, op.k], op.results, axis=op.axis, largest=largest, sorted=ordered)


@READERS.rule("OneHot")
def read_one_hot(node: Node) -> Value:
    indices, depth, values = (node.input(i) for i in range(3))
    axis = normalized_axis(node.int("axis", -1), indices.type.rank + 1)
    return node.add(OneHot(indices, depth, values, axis=axis)).result


@WRITERS.rule(OneHot)
def write_one_hot(op: OneHot, w: Writer) -> None:
    w.node("OneHot", [op.indices, op.depth, op.values], op.results, axis=op.axis)


@READERS.rule("NonZero")
def read_non_zero(node: Node) -> Value:
    return node.add(NonZero(node.input(0))).result


@WRITERS.rule(NonZero)
def write_non_zero(op: NonZero, w: Writer) -> None:
    w.node("NonZero", [op.x], op.results)


@READERS.rule("Unique")
def read_unique(node: Node) -> Read:
    x = node.input(0)
    axis = normalized_axis(node.int("axis"), x.type.rank) if node.has("axis") else None
    return node.add(Unique(x, axis=axis, sorted=bool(node.int("sorted", 1)))).results


@WRITERS.rule(Unique)
def write_unique(op: Unique, w: Writer) -> None:
    w.node("Unique", [op.x], op.results, axis=op.axis, sorted=None if op.sorted else 0)


@READERS.rule("Trilu")
def read_trilu(node: Node) -> Value:
    upper = bool(node.int("upper", 1))
    return node.add(Trilu(node.input(0), node.optional(1), upper=upper)).result


@WRITERS.rule(Trilu)
def write_trilu(op: Trilu, w: Writer) -> None:
    w.node("Trilu", [op.x, op.k], op.results, upper=None if op.upper else 0)


@READERS.rule("Compress")
def read_compress(node: Node) -> Value:
    x = node.input(0)
    axis = normalized_axis(node.int("axis"), x.type.rank) if node.has("axis") else None
    return node.add(Compress(x, node.input(1), axis=axis)).result


@WRITERS.rule(Compress)
def write_compress(op: Compress, w: Writer) -> None:
    w.node("Compress", [op.x, op.condition], op.results, axis=op.axis)


@READERS.rule("EyeLike")
def read_eye_like(node: Node) -> Value:
    x = node.input(0)
    dtype = dtype_from_onnx(node.int("dtype")) if node.has("dtype") else x.type.dtype
    return node.add(EyeLike(x, k=node.int("k", 0), dtype=dtype)).result


@WRITERS.rule(EyeLike)
def write_eye_like(op: EyeLike, w: Writer) -> None:
    own = op.dtype is op.x.type.dtype
    w.node(
        "EyeLike", [op.x], op.results,
        k=op.k or None, dtype=None if own else dtype_to_onnx(op.dtype),
    )  # fmt: skip
