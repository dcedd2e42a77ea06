"""Einstein summation."""

from __future__ import annotations

from edgec.ir.ops import Einsum
from edgec.lowering.openvino.table import OPENVINO, Output, limit
from edgec.lowering.openvino.writer import Writer


@limit(Einsum)
def einsum_limit(op: Einsum) -> str | None:
    terms = op.equation.replace(" ", "").replace("...", "").partition("->")[0].split(",")
    if any(len({*term}) < len(term) for term in terms):
        return f"Einsum takes no diagonals, as in {op.equation!r}"
    return None


@OPENVINO.rule(Einsum)
def einsum(op: Einsum, w: Writer) -> Output:
    return w.ops.einsum([w[x] for x in op.xs], op.equation.replace(" ", ""))
