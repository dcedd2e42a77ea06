"""Copying graphs, with symbols replaced where asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgec.ir.codes import Code
from edgec.ir.collector import collector_paused
from edgec.ir.diagnostics import Error, Finding
from edgec.ir.dim_algebra import DimError
from edgec.ir.dims import ANY, Dim, DimExpr
from edgec.ir.graph import Graph
from edgec.ir.op import Op, OpError
from edgec.ir.types import TensorType, substitute_dim
from edgec.ir.value import Constant, Value


def clone(graph: Graph, bindings: Mapping[str, Dim]) -> Graph:
    """A copy of ``graph``; see ``Graph.clone``.

    Raises:
        Error: of kind USAGE: an op cannot be with these sizes.
    """
    copies: dict[Value, Value] = {}
    with collector_paused():
        copied = _clone_into(graph, copies, bindings, None)
    copied._fresh = max(copied._fresh, graph.root._fresh)
    copied._taken |= graph.root._taken
    return copied


def clone_op(
    op: Op, copies: dict[Value, Value], bindings: Mapping[str, Dim], enclosing: Graph | None
) -> Op:
    """An unlinked copy of ``op`` that reads ``copies[v]`` for each operand v, v where it has none.

    The results are entered into ``copies``; ``enclosing`` is the graph it will be linked into.
    """
    operands = [None if v is None else _copied(v, copies) for v in op.operands]
    regions = [_clone_into(region, copies, bindings, enclosing) for region in op.regions]
    if bindings:
        attributes = _substituted(op.attributes, bindings)
        made = op.copy(operands=operands, regions=regions, **attributes)
        for old, new in zip(op.results, made.results, strict=True):
            new.type = _named_as_before(new.type, old.type.substitute(bindings))
    else:
        made = op.twin(operands, regions, [result.type for result in op.results])
    for old, new in zip(op.results, made.results, strict=True):
        new.hint = old.hint
        new.range = old.range
        copies[old] = new
    return made


def _named_as_before(inferred: TensorType, before: TensorType) -> TensorType:
    """Dims that inference cannot tell keep the symbols that the graph gave them."""
    if inferred.is_static or len(inferred.dims) != len(before.dims):
        return inferred
    pairs = zip(inferred.dims, before.dims, strict=True)
    return inferred.with_dims(tuple(old if new is ANY else new for new, old in pairs))


def _clone_into(
    graph: Graph,
    copies: dict[Value, Value],
    bindings: Mapping[str, Dim],
    enclosing: Graph | None,
) -> Graph:
    copied = Graph(graph.name, enclosing=enclosing)
    copied.metadata = dict(graph.metadata)
    for value in graph.inputs:
        copies[value] = copied._add_input(value.hint, value.type.substitute(bindings))
        copies[value].range = value.range
    for op in graph._all_ops:
        try:
            copied._link(clone_op(op, copies, bindings, copied), None)
        except (OpError, DimError) as error:
            if not bindings:
                raise
            sizes = ", ".join(f"{name}={dim}" for name, dim in bindings.items())
            source = f" from {', '.join(op.loc)}" if op.loc else ""
            finding = Finding(str(error), f"{op.op_name}{source}")
            raise Error(
                Code.INPUTS,
                f"an op cannot be with {sizes}",
                [finding],
                instead="sizes that fit each other, as in --input-shape",
            ) from error
    return copied


def _copied(value: Value, copies: dict[Value, Value]) -> Value:
    found = copies.get(value)
    if found is None and isinstance(value, Constant):
        found = copies[value] = Constant(value.weight, hint=value.hint, type=value.type)
    return value if found is None else found


def _substituted(attributes: Mapping[str, Any], bindings: Mapping[str, Dim]) -> dict[str, Any]:
    return {
        name: tuple(substitute_dim(d, bindings) for d in value)
        if isinstance(value, tuple) and any(isinstance(d, DimExpr) for d in value)
        else value
        for name, value in attributes.items()
    }
