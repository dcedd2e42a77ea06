"""A size of a graph's inputs replaced by a symbol: the same ops, inferred anew."""

from __future__ import annotations

from collections.abc import Collection

from edgec.ir import Constant, Graph, Op, OpError, Rewriter, Value, symbol
from edgec.tools.fuzz.compose import Drawn


def generalized(drawn: Drawn, size: int, chosen: Collection[Value]) -> Drawn:
    """A copy in which that size is the symbol N in the dims of the chosen inputs.

    Raises:
        OpError: an op wants the size to be known, or two sizes to be equal.
    """
    graph = Graph(drawn.graph.name)
    rewriter = Rewriter(graph)
    copies: dict[Value, Value] = {}
    dim = symbol("N")
    for value in drawn.graph.inputs:
        dims = tuple(dim if value in chosen and d == size else d for d in value.type.dims)
        copies[value] = rewriter.add_input(value.hint, value.type.with_dims(dims))
    for op in drawn.graph.ops:
        made = rewriter.add(_copied(op, copies))
        for old, new in zip(op.results, made.results, strict=True):
            copies[old] = new
    outputs = [copies[value] for value in drawn.graph.outputs]
    rewriter.finish(outputs, drawn.graph.output_names)
    arrays = {copies[value]: array for value, array in drawn.arrays.items() if value in copies}
    return Drawn(graph, drawn.inputs, arrays)


def _copied(op: Op, copies: dict[Value, Value]) -> Op:
    """An unlinked copy whose types follow from the new operands."""
    if op.regions:
        raise OpError("regions are not inferred anew")
    operands = [None if value is None else _read(value, copies) for value in op.operands]
    return op.copy(operands=operands)


def _read(value: Value, copies: dict[Value, Value]) -> Value:
    if isinstance(value, Constant) and value not in copies:
        copies[value] = Constant(value.weight, hint=value.hint, type=value.type)
    return copies[value]
