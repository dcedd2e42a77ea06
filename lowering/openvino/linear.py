"""Matrix products."""

from __future__ import annotations

from edgec.ir.ops import Det, MatMul
from edgec.lowering.openvino.fused import activated
from edgec.lowering.openvino.table import OPENVINO, Output
from edgec.lowering.openvino.writer import Writer


@OPENVINO.rule(MatMul)
def matmul(op: MatMul, w: Writer) -> Output:
    y = w.ops.matmul(w[op.a], w[op.b], op.transpose_a, op.transpose_b)
    if op.alpha != 1:
        y = w.ops.multiply(y, w.like(op.alpha, op.result))
    if op.bias is not None:
        y = w.ops.add(y, w[op.bias])
    return activated(y, op.act, op.act_params, op.result.type.dtype, w)


OPENVINO.refuse(Det, why="OpenVINO has no determinant", instead="compute it after the model")
