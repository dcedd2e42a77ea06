"""ONNX's matrix products."""

from __future__ import annotations

import numpy as np

from edgec.ir import Constant, Value
from edgec.ir.ops import Det, MatMul, Mul
from edgec.lowering.onnx.fused import before_act, write_act
from edgec.lowering.onnx.node import READERS, Node, Unsupported
from edgec.lowering.onnx.typed import typed_node
from edgec.lowering.onnx.writer import WRITERS, Operand, Writer


@READERS.rule("MatMul")
def read_matmul(node: Node) -> Value:
    return node.add(MatMul(node.input(0), node.input(1))).result


@READERS.rule("Gemm")
def read_gemm(node: Node) -> Value:
    a, b = node.input(0), node.input(1)
    if a.type.rank != 2 or b.type.rank != 2:
        raise Unsupported(f"Gemm wants matrices, found {a.type} and {b.type}")
    op = MatMul(
        a,
        b,
        _scaled(node, node.optional(2), node.float("beta", 1.0)),
        transpose_a=bool(node.int("transA", 0)),
        transpose_b=bool(node.int("transB", 0)),
        alpha=node.float("alpha", 1.0),
    )
    return node.add(op).result


def _scaled(node: Node, bias: Value | None, beta: float) -> Value | None:
    """beta * bias: computed at once for a constant, none at all for beta 0."""
    if bias is None or beta == 0:
        return None
    if beta == 1:
        return bias
    if not bias.type.dtype.is_float and not beta.is_integer():
        raise Unsupported(f"beta {beta} scales integers")
    factor = np.asarray(beta).astype(bias.type.dtype.numpy)
    if isinstance(bias, Constant):
        return node.const(np.multiply(bias.array, factor, dtype=bias.type.dtype.numpy))
    return node.add(Mul(bias, node.const(factor))).result


@WRITERS.rule(MatMul)
def write_matmul(op: MatMul, w: Writer) -> None:
    y = before_act(op.act, op.act_params, op.result, w)
    plain = not (op.transpose_a or op.transpose_b) and op.alpha == 1 and op.bias is None
    if not plain and op.a.type.rank == 2 and op.b.type.rank == 2:
        _write_gemm(op, y, w)
    else:
        _write_parts(op, y, w)
    write_act(op.act, op.act_params, y, op.result, w)


def _write_gemm(op: MatMul, y: Operand, w: Writer) -> None:
    w.node(
        "Gemm", [op.a, op.b, op.bias], [y],
        transA=1 if op.transpose_a else None,
        transB=1 if op.transpose_b else None,
        alpha=None if op.alpha == 1 else op.alpha,
    )  # fmt: skip


def _write_parts(op: MatMul, y: Operand, w: Writer) -> None:
    """A node for each part of the op; the last one writes ``y``."""
    a = _transposed(op.a, w) if op.transpose_a else op.a
    b = _transposed(op.b, w) if op.transpose_b else op.b
    steps: list[tuple[str, Operand]] = [("MatMul", b)]
    if op.alpha != 1:
        steps.append(("Mul", w.const(op.alpha, op.result.type.dtype, hint="alpha")))
    if op.bias is not None:
        steps.append(("Add", op.bias))
    source: Operand = a
    for number, (op_type, other) in enumerate(steps, start=1):
        target = y if number == len(steps) else w.temporary(op_type.lower())
        w.node(op_type, [source, other], [target])
        source = target


def _transposed(value: Value, w: Writer) -> str:
    rank = value.type.rank
    name = w.temporary("transposed")
    w.node("Transpose", [value], [name], perm=(*range(rank - 2), rank - 1, rank - 2))
    return name


@READERS.rule("Det")
def read_det(node: Node) -> Value:
    return node.add(Det(node.input(0))).result


@WRITERS.rule(Det)
def write_det(op: Det, w: Writer) -> None:
    typed_node(w, "Det", [op.x], op.result)
