"""What ONNX Runtime computes wrongly, said otherwise (docs/onnxruntime.md has the evidence)."""

from __future__ import annotations

from edgec.ir import Dim, Graph, Rewriter, Value
from edgec.ir.ops import MatMul, Reshape, Transpose


def avoid_defects(graph: Graph) -> None:
    """Rewrite, in place, what ONNX Runtime is known to compute wrongly."""
    for part in tuple(graph.graphs):
        rw = Rewriter(part)
        for op in tuple(part.ops_of(MatMul)):
            if loses_its_transpose(op):
                _vector_as_matrix(op, rw.at(op))


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
