"""Branches."""

from __future__ import annotations

from edgec.ir.ops import If
from edgec.lowering.tflite.shapes import reshaped
from edgec.lowering.tflite.table import TFLITE
from edgec.lowering.tflite.tensors import Operator, Tensor
from edgec.lowering.tflite.writer import Writer


@TFLITE.rule(If)
def if_(op: If, w: Writer) -> list[Tensor]:
    """Both branches take everything that either of them reads."""
    inner = [
        w.nested(region, name) for region, name in zip(op.regions, ("then", "else"), strict=True)
    ]
    read = list(dict.fromkeys(value for each in inner for value in each.captured))
    for each in inner:
        each.subgraph.inputs[:] = [each.taken(value) for value in read]
    results = [Tensor(w.stored(value.type.dtype), value.type.dims) for value in op.results]
    cond = reshaped(w[op.cond], (), w)
    operator = Operator("IF", [cond, *(w[value] for value in read)], results, {}, 1)
    operator.subgraphs = {
        "then_subgraph_index": inner[0].subgraph, "else_subgraph_index": inner[1].subgraph
    }  # fmt: skip
    w.place(operator)
    return results
