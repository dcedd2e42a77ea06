"""Einstein summation."""

from __future__ import annotations

from edgec.ir.ops import Einsum
from edgec.lowering.openvino.table import OPENVINO, Output
from edgec.lowering.openvino.writer import Writer


@OPENVINO.rule(Einsum)
def einsum(op: Einsum, w: Writer) -> Output:
    return w.ops.einsum([w[x] for x in op.xs], op.equation.replace(" ", ""))
