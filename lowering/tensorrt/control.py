"""Ops that run nested graphs."""

from __future__ import annotations

from edgec.ir import Graph
from edgec.ir.ops import If, Loop, Scan
from edgec.lowering.tensorrt.layers import out
from edgec.lowering.tensorrt.table import TENSORRT, Tensor, limit
from edgec.lowering.tensorrt.writer import Writer


@limit(If)
def if_limit(op: If) -> str | None:
    then, other = op.regions
    for a, b in zip(then.outputs, other.outputs, strict=True):
        if not a.type.compatible(b.type):
            return f"both branches of a conditional return one shape, not {a.type} and {b.type}"
    return None


@TENSORRT.rule(If)
def if_(op: If, w: Writer) -> list[Tensor]:
    conditional = w.net.add_if_conditional()
    conditional.set_condition(w.reshape(w[op.cond], ()))
    branches = [_branch(region, conditional, w) for region in op.regions]
    pairs = zip(*branches, strict=True)
    return [out(conditional.add_output(then, other)) for then, other in pairs]


def _branch(region: Graph, conditional: object, w: Writer) -> list[Tensor]:
    """What a region computes from the surrounding values, which enter it one by one."""
    outside = {value: w[value] for value in region.free_values}
    for value, tensor in outside.items():
        entered = conditional.add_input(tensor)  # type: ignore[attr-defined]  # imported late
        w[value] = out(entered)
    for inner in region.ops:
        w.write(inner)
    found = [w[value] for value in region.outputs]
    for value, tensor in outside.items():
        w[value] = tensor
    return found


TENSORRT.refuse(
    Loop,
    Scan,
    why="nested loops are not written for TensorRT",
    instead="a fixed number of iterations, unrolled by the exporter",
)
