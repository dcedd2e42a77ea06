"""What ONNX Runtime computes wrongly, said otherwise (docs/onnxruntime.md has the evidence)."""

from __future__ import annotations

import numpy as np

from edgec.ir import Constant, Dim, Graph, Op, Rewriter, Value, dtypes
from edgec.ir.ops import (
    Clip,
    Conv,
    ConvTranspose,
    Dequantize,
    MatMul,
    Quantize,
    Relu,
    Reshape,
    Transpose,
)
from edgec.ir.ops.quant import is_per_tensor


def avoid_defects(graph: Graph) -> None:
    """Rewrite, in place, what ONNX Runtime is known to compute wrongly."""
    for part in tuple(graph.graphs):
        rw = Rewriter(part)
        for op in tuple(part.ops_of(MatMul)):
            if loses_its_transpose(op):
                _vector_as_matrix(op, rw.at(op))
        for layer in tuple(part.ops):
            if isinstance(layer, Conv | ConvTranspose | MatMul) and is_quantized_unasked(layer):
                _read_per_axis(layer, rw.at(layer))


def is_quantized_unasked(op: Conv | ConvTranspose | MatMul) -> bool:
    """A layer with float weights between stored values: ONNX Runtime's WeightBiasQuantization makes
    8-bit integers of them, with one scale per tensor."""
    x, weight = op.operands[0], op.operands[1]
    assert x is not None
    if not isinstance(weight, Constant) or weight.type.dtype is not dtypes.f32:
        return False
    read = x.producer
    return isinstance(read, Dequantize) and is_per_tensor(read.scale) and _is_only_stored(op)


def _is_only_stored(op: Op) -> bool:
    """Whether nothing but a quantization reads the result, a ReLU or clip in between aside."""
    while op.result.use_count == 1:
        (user,) = op.result.users
        if isinstance(user, Quantize):
            return True
        if not isinstance(user, Relu | Clip):
            return False
        op = user
    return False


def _read_per_axis(op: Op, rw: Rewriter) -> None:
    """The same scale, once for each slice of an axis: it looks at one scale per tensor alone."""
    x = op.operands[0]
    assert x is not None
    read = x.producer
    assert isinstance(read, Dequantize)
    found = next(
        ((i, n) for i, n in [*enumerate(x.type.dims)][1:] if isinstance(n, int) and n > 1), None
    )
    points = (read.scale, read.zero_point)
    if found is None or not all(value is None or isinstance(value, Constant) for value in points):
        return
    axis, size = found
    scale, point = (
        Constant(np.repeat(value.array.reshape(-1), size), hint=value.hint)
        if isinstance(value, Constant)
        else None
        for value in points
    )
    assert scale is not None
    apart = read.copy(scale=scale, zero_point=point, axis=axis)
    rw.set_operand(op, 0, rw.add(apart).result)


def loses_its_transpose(op: MatMul) -> bool:
    """A transposed matrix times a vector: ONNX Runtime's optimizer drops the transpose."""
    if 1 not in (op.a.type.rank, op.b.type.rank):
        return False
    transposed = isinstance(op.a.producer, Transpose) or isinstance(op.b.producer, Transpose)
    return op.transpose_a or op.transpose_b or transposed


def _vector_as_matrix(op: MatMul, rw: Rewriter) -> None:
    """The vector becomes a row or a column, and the axis is left out of the product again."""
    a, b, bias = op.a, op.b, op.bias
    if b.type.rank == 1:
        b = _shaped(rw, b, (*b.type.dims, 1))
        bias = bias and _shaped(rw, bias, (*bias.type.dims, 1))
    if a.type.rank == 1:
        a = _shaped(rw, a, (1, *a.type.dims))
        bias = bias and _under(rw, bias)
    product = rw.add(op.copy(a=a, b=b, bias=bias))
    rw.replace(op, _shaped(rw, product.result, op.result.type.dims))


def _under(rw: Rewriter, bias: Value) -> Value:
    """A bias over columns, for every row."""
    dims = bias.type.dims
    return _shaped(rw, bias, (*dims[:-1], 1, *dims[-1:])) if dims else bias


def _shaped(rw: Rewriter, value: Value, dims: tuple[Dim, ...]) -> Value:
    return rw.add(Reshape(value, to=dims)).result
