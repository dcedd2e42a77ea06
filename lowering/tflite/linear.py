"""Matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgec.ir import Dim
from edgec.ir.ops import Det, MatMul
from edgec.lowering.tflite.fused import activated
from edgec.lowering.tflite.legalize import binary, scaled
from edgec.lowering.tflite.shapes import is_constant, reshaped, transposed
from edgec.lowering.tflite.table import TFLITE, static_dim
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer


@TFLITE.rule(MatMul)
def matmul(op: MatMul, w: Writer) -> Tensor:
    if is_constant(w[op.b]) and op.b.type.rank == 2 and op.a.type.rank >= 2:
        y = _fully_connected(op, w)
    else:
        y = _batched(op, w)
    return activated(y, op.act, op.act_params, w)


def _fully_connected(op: MatMul, w: Writer) -> Tensor:
    """Constant weights [columns, depth], the bias of one number per column."""
    a, b = w[op.a], w[op.b]
    if op.transpose_a:
        a = transposed(a, (*range(a.rank - 2), a.rank - 1, a.rank - 2), w)
    weights = b if op.transpose_b else transposed(b, (1, 0), w)
    columns = static_dim(weights.dims[0], "number of columns")
    if op.alpha != 1 and weights.array is not None:
        weights = w.const(weights.array * np.float32(op.alpha))
    elif op.alpha != 1:
        a = scaled(a, op.alpha, w)
    per_column = op.bias is not None and op.bias.type.dims == (columns,)
    bias = w[op.bias] if op.bias and per_column else w.const(np.zeros(columns, np.float32))
    y = fully_connected(a, weights, bias, w)
    return y if op.bias is None or per_column else binary("ADD", y, w[op.bias], w)


def fully_connected(x: Tensor, weights: Tensor, bias: Tensor, w: Writer, **options: Any) -> Tensor:
    """x weights^T + bias over the last axis, for weights [rows, depth]."""
    if x.rank != 2:
        options["keep_num_dims"] = True
    dims = (*x.dims[:-1], weights.dims[0])
    return w.op("FULLY_CONNECTED", x, weights, bias, dims=dims, **options)


def _batched(op: MatMul, w: Writer) -> Tensor:
    a, b = w[op.a], w[op.b]
    rows = a.rank > 1
    columns = b.rank > 1
    a = a if rows else reshaped(a, (1, *a.dims), w)
    b = b if columns else reshaped(b, (*b.dims, 1), w)
    y = product(a, b, w, transpose_a=op.transpose_a, transpose_b=op.transpose_b)
    y = scaled(y, op.alpha, w)
    kept = [*y.dims[:-2], *([y.dims[-2]] if rows else []), *([y.dims[-1]] if columns else [])]
    y = reshaped(y, kept, w)
    return y if op.bias is None else binary("ADD", y, w[op.bias], w)


def product(
    a: Tensor, b: Tensor, w: Writer, *, transpose_a: bool = False, transpose_b: bool = False
) -> Tensor:
    """The matrix product over the last two axes, the others broadcast."""
    dims = product_dims(a, b, transpose_a=transpose_a, transpose_b=transpose_b)
    return w.op("BATCH_MATMUL", a, b, dims=dims, adj_x=transpose_a, adj_y=transpose_b)


def product_dims(
    a: Tensor, b: Tensor, *, transpose_a: bool = False, transpose_b: bool = False
) -> tuple[Dim, ...]:
    """The dims of a matrix product."""
    rank = max(a.rank, b.rank)
    batch: list[Dim] = []
    for axis in range(rank - 2):
        own, other = (_at(x, axis, rank) for x in (a, b))
        batch.append(other if own == 1 else own)
    return (*batch, a.dims[-1 if transpose_a else -2], b.dims[-2 if transpose_b else -1])


def _at(x: Tensor, axis: int, rank: int) -> Dim:
    own = axis - (rank - x.rank)
    return 1 if own < 0 else x.dims[own]


TFLITE.refuse(Det, why="TensorFlow Lite has no determinant", instead="compute it after the model")
