"""Matrix products."""

from __future__ import annotations

from edgec.ir.ops import Dequantize, Det, MatMul
from edgec.lowering.openvino.fused import activated
from edgec.lowering.openvino.table import OPENVINO, Output
from edgec.lowering.openvino.weights import expanded, stored_weights
from edgec.lowering.openvino.writer import Writer


def _right(op: MatMul, w: Writer) -> tuple[Output, bool, bool]:
    """The second operand, and which operands are transposed. Beside floats, weights that are small
    integers stay small where they lie by output."""
    weights = None if isinstance(op.a.producer, Dequantize) else stored_weights(op.b)
    if weights is None or op.transpose_b:
        return w[op.b], op.transpose_a, op.transpose_b
    return expanded(weights, w, turned=True), op.transpose_a, True


@OPENVINO.rule(MatMul)
def matmul(op: MatMul, w: Writer) -> Output:
    y = w.ops.matmul(w[op.a], *_right(op, w))
    if op.alpha != 1:
        y = w.ops.multiply(y, w.like(op.alpha, op.result))
    if op.bias is not None:
        y = w.ops.add(y, w[op.bias])
    return activated(y, op.act, op.act_params, op.result.type.dtype, w)


OPENVINO.refuse(Det, why="OpenVINO has no determinant", instead="compute it after the model")
