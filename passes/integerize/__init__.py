"""From quantize/dequantize around float ops to ops on integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgec.ir import Graph, Movement, Op, OpError, Refusal, Rewriter, Value
from edgec.ir.ops import (
    Dequantize,
    IntegerDequantize,
    IntegerQuantize,
    IntegerRequantize,
    Quantize,
)
from edgec.passes.base import Pass
from edgec.passes.context import current
from edgec.passes.dce import DeadCodeElimination
from edgec.passes.integerize.moves import FLOAT_OPERAND
from edgec.passes.integerize.site import grid_between, site_of
from edgec.passes.integerize.table import INTEGERIZE
from edgec.passes.pattern import Miss
from edgec.passes.promise import Lossy

__all__ = ["INTEGERIZE", "Integerize"]


@dataclass(frozen=True)
class Integerize(Pass):
    """Compute dequantize, op, quantize as one op on integers, in TFLite's arithmetic.

    Inputs and outputs of the graph keep their types; what has no form on integers stays float.
    Results differ from the float form by the rounding of the last bit of each op.
    """

    name = "integerize"
    promise = Lossy("sqnr_db", 10.0)

    def run(self, graph: Graph, rw: Rewriter) -> None:
        for part in graph.graphs:
            _type_pairs(part)
            for op in tuple(part.ops):
                if op.graph is part:
                    _take(op)
        DeadCodeElimination().run(graph, rw)


def _type_pairs(graph: Graph) -> None:
    """Quantize, then dequantize on the same grid, become the ops whose types say the grid."""
    for op in tuple(graph.ops_of(Quantize)):
        grid = grid_between(op)
        if grid is None:
            continue
        rw = Rewriter(graph).at(op)
        made = rw.add(IntegerQuantize(op.x, scale=grid.scale[0], zero_point=grid.zero_point[0]))
        made.result.hint, made.result.range = op.result.hint, op.x.range
        _type_readers(op.result, made.result)
    DeadCodeElimination().run(graph, Rewriter(graph))


def _type_readers(stored: Value, typed: Value) -> None:
    """Let what reads stored integers read those with their grid in the type."""
    for user in stored.users:
        assert user.graph is not None
        rw = Rewriter(user.graph)
        if isinstance(user, Dequantize) and grid_between(user) == typed.type.quant:
            rw.replace_with(user, IntegerDequantize(typed))
        elif user.has(Movement) and user.operands[0] is stored:
            moved = rw.at(user).add(user.copy(operands=(typed, *user.operands[1:])))
            for old, new in zip(user.results, moved.results, strict=True):
                new.hint, new.range = old.hint, old.range
                _type_readers(old, new)


def _take(op: Op) -> None:
    if isinstance(op, IntegerQuantize):
        _meet(op)
        return
    rule = INTEGERIZE.get(type(op))
    if isinstance(rule, Refusal):
        if any(isinstance(v.producer, IntegerDequantize) for v in op.present_operands):
            _missed(op, str(rule))
        return
    site, last = site_of(op)
    context = current()
    if not context.fuel.spend("integerize", op):
        return
    try:
        found = rule(op, site)
    except OpError as error:
        found = str(error)
    if isinstance(found, str):
        if found != FLOAT_OPERAND:
            _missed(op, found)
        return
    context.statistics.applied[f"integerize {op.op_name}"] += 1
    _replace(last, (found,) if isinstance(found, Value) else found)


def _missed(op: Op, reason: str) -> None:
    current().statistics.missed("integerize", Miss(reason, near=True), op)


def _replace(op: Op, integers: Sequence[Value]) -> None:
    """Let the readers of the op's results read integers, off their grid."""
    assert op.graph is not None
    rw = Rewriter(op.graph).at(op)
    for old, value in zip(op.results, integers, strict=True):
        value.hint, value.range = old.hint or value.hint, old.range or value.range
    read = [rw.add(IntegerDequantize(value)) for value in integers]
    Rewriter(op.graph).replace(op, *(one.result for one in read))


def _meet(op: IntegerQuantize) -> None:
    """What was just read off a grid goes onto one: the integers themselves, or rescaled."""
    source = op.x.producer
    if not isinstance(source, IntegerDequantize):
        return
    assert op.graph is not None
    rw = Rewriter(op.graph)
    if source.x.type == op.result.type:
        rw.replace(op, source.x)
    else:
        made = IntegerRequantize(source.x, scale=op.scale, zero_point=op.zero_point)
        rw.replace_with(op, made)
