"""Changing a graph by making it anew: what a reduction step asks for, and what results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgec.ir import (
    Array,
    Constant,
    Error,
    Graph,
    Op,
    Rewriter,
    TensorType,
    Value,
    clone_op,
    verify,
)
from edgec.tools.reduce.cut import Names, kept

_NOTHING: Mapping[Any, Any] = {}


@dataclass(frozen=True)
class Change:
    """What shall be different. Keys are ops and values of the graph that is changed.

    Attributes:
        reads: another value to read in the place of a value.
        constants: arrays to read in the place of values (inputs and weights among them).
        types: of inputs.
        attributes: new values by name, for ops.
        operands: slots that become absent, for ops.
        outputs: positions of the outputs to keep; all of them when None.
    """

    reads: Mapping[Value, Value] = field(default_factory=dict)
    constants: Mapping[Value, Array] = field(default_factory=dict)
    types: Mapping[Value, TensorType] = field(default_factory=dict)
    attributes: Mapping[Op, Mapping[str, Any]] = field(default_factory=dict)
    absent: Mapping[Op, frozenset[int]] = field(default_factory=dict)
    outputs: tuple[int, ...] | None = None


def changed(graph: Graph, change: Change) -> Graph | None:
    """The graph with that change, without what nobody reads then; None where it is not legal."""
    made = Graph(graph.name)
    made.metadata = dict(graph.metadata)
    try:
        _fill(made, graph, change)
        found = _live(made)
        if found is not None:
            verify(found)
    except (ValueError, ArithmeticError, Error):  # an op that cannot be, or no well-formed graph
        return None
    return found


def _fill(made: Graph, graph: Graph, change: Change) -> None:
    rewriter = Rewriter(made)
    names = Names(())
    copies: dict[Value, Value] = {}
    for value in graph.inputs:
        if value not in change.constants:
            type = change.types.get(value, value.type)
            copies[value] = rewriter.add_input(names.unique(value.hint), type)
            copies[value].range = value.range
    for value, array in change.constants.items():
        copies[value] = Constant(array, hint=value.hint)
    for constant in graph.constants:
        if constant not in copies:
            copies[constant] = Constant(constant.weight, hint=constant.hint, type=constant.type)
    for op in graph.ops:
        _redirect(op, change, copies)
        results = {r: copies[r] for r in op.results if r in copies}
        rewriter.add(_copied(op, change, copies, made))
        copies |= results
    chosen = range(len(graph.outputs)) if change.outputs is None else change.outputs
    values = [_resolved(graph.outputs[index], change, copies) for index in chosen]
    rewriter.finish(values, [graph.output_names[index] for index in chosen])


def _redirect(op: Op, change: Change, copies: dict[Value, Value]) -> None:
    """Let what the op (and its regions) read in place of another value be found under its name."""
    read = [*op.present_operands, *(v for region in op.regions for v in region.free_values)]
    for value in read:
        if value in change.reads:
            copies[value] = _resolved(value, change, copies)


def _resolved(value: Value, change: Change, copies: Mapping[Value, Value]) -> Value:
    seen: set[Value] = set()
    while value in change.reads and value not in seen:
        seen.add(value)
        value = change.reads[value]
    return copies[value]


def _copied(op: Op, change: Change, copies: dict[Value, Value], made: Graph) -> Op:
    """The op in the new graph: as it was where nothing around it changed, else inferred anew.

    Raises:
        ValueError: it cannot be.
    """
    absent = change.absent.get(op, frozenset())
    attributes = change.attributes.get(op, _NOTHING)
    operands = [None if index in absent or v is None else copies[v]
                for index, v in enumerate(op.operands)]  # fmt: skip
    same = all(_same_type(a, b) for a, b in zip(op.operands, operands, strict=True))
    if (same and not attributes) or op.regions:
        if not same:
            raise ValueError("an op with regions keeps the types that it reads")
        return clone_op(op, copies, {}, made)
    copy = op.copy(operands=operands, **attributes)
    for old, new in zip(op.results, copy.results, strict=True):
        new.hint, new.range = old.hint, old.range
        if not new.type.is_static and old.type.compatible(new.type) and same:
            new.type = old.type
        copies[old] = new
    return copy


def _same_type(old: Value | None, new: Value | None) -> bool:
    if old is None or new is None:
        return old is new
    return old.type == new.type


def _live(graph: Graph) -> Graph | None:
    """The graph without ops and inputs that no output depends on."""
    live: set[Op] = set()
    pending = [v.producer for v in graph.outputs if v.producer is not None]
    if not pending:
        return None
    while pending:
        op = pending.pop()
        if op in live:
            continue
        live.add(op)
        read = [*op.present_operands, *(v for region in op.regions for v in region.free_values)]
        pending += [
            v.producer for v in read if v.producer is not None and v.producer.graph is graph
        ]
    if len(live) == len(graph) and all(v.is_used for v in graph.inputs):
        return graph
    return kept(graph, live)
