"""Matrix products."""

from __future__ import annotations

from edgec.ir import Value
from edgec.ir.ops import MatMul
from edgec.lowering.tensorrt.fused import activated
from edgec.lowering.tensorrt.layers import out
from edgec.lowering.tensorrt.table import TENSORRT, Tensor, limit
from edgec.lowering.tensorrt.writer import Writer


@limit(MatMul)
def matmul_limit(op: MatMul) -> str | None:
    if op.a.type.dtype.is_float:
        return None
    return f"matrix products are of floats, not of {op.a.type.dtype.name}"


@TENSORRT.rule(MatMul)
def matmul(op: MatMul, w: Writer) -> Tensor:
    y = out(w.net.add_matrix_multiply(*_sides(op, w)))
    if op.alpha != 1:
        y = w.binary("PROD", y, w.like(op.alpha, y))
    if op.bias is not None:
        y = w.binary("SUM", y, w[op.bias])
    return activated(y, op.act, op.act_params, op.result.type.dtype, w)


def _sides(op: MatMul, w: Writer) -> list[object]:
    """Both operands with the same number of batch axes, and how each is taken."""
    a, b = w[op.a], w[op.b]
    vectors = [value.type.rank == 1 for value in (op.a, op.b)]
    batches = max(value.type.rank - 2 for value in (op.a, op.b))
    a, b = (
        w.ranked(x, max(batches, 0) + (1 if vector else 2))
        for x, vector in zip((a, b), vectors, strict=True)
    )
    return [a, _kind(op.a, op.transpose_a, w), b, _kind(op.b, op.transpose_b, w)]


def _kind(value: Value, transpose: bool, w: Writer) -> object:
    kinds = w.trt.MatrixOperation
    if value.type.rank == 1:
        return kinds.VECTOR
    return kinds.TRANSPOSE if transpose else kinds.NONE
