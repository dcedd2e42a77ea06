"""Running one pass up to some rewrite, and no further: what bisection is made of.

Rewrites are counted where passes spend fuel: pattern by pattern, fold by fold. Passes that spend
none are counted by the edits they make through their rewriter.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from edgec.ir import Error, Finding, Graph, Kind, Op, Rewriter, TensorType, Value, print_op
from edgec.passes.base import Pass
from edgec.passes.context import Fuel, PassContext, using
from edgec.passes.manager import FAILURES, Settings

UNLIMITED = 1 << 62


@dataclass(frozen=True)
class Steps:
    """How far a pass went: the rewrites and edits it made, and the last of each in words."""

    rewrites: int
    edits: int
    last_rewrite: str
    last_edit: str


def run_limited(
    one: Pass,
    graph: Graph,
    settings: Settings,
    *,
    rewrites: int = UNLIMITED,
    edits: int = UNLIMITED,
) -> Steps:
    """Run a pass on a graph in place, with so many rewrites, and until it made so many edits.

    Neither its needs nor what it gives are checked: half of a pass gives nothing yet.

    Raises:
        Error: the pass failed.
    """
    fuel = Fuel(rewrites)
    counted = _Edits(edits)
    context = PassContext(
        fuel=fuel, data=settings.data, reference=settings.reference, progress=settings.progress
    )
    try:
        with using(context), suppress(_Stopped):
            one.run(graph, _Metered(graph, counted))
    except FAILURES as error:
        if isinstance(error, Error):
            raise
        finding = Finding(f"{type(error).__name__}: {error}")
        raise Error(Kind.PASS, f"pass {one.name!r} failed", [finding]) from error
    assert fuel.left is not None, "the tank had a limit"
    last = fuel.last[0] if fuel.last else ""
    return Steps(rewrites - fuel.left, edits - counted.left, last, counted.last)


class _Stopped(Exception):
    """The edits that a pass may make are used up."""


class _Edits:
    def __init__(self, limit: int) -> None:
        self.left = limit
        self.last = ""

    def spend(self, what: str, subject: Op | Value) -> None:
        if not self.left:
            raise _Stopped
        self.left -= 1
        shown = print_op(subject).splitlines()[0] if isinstance(subject, Op) else repr(subject)
        self.last = f"{what} {shown}"


class _Metered(Rewriter):
    """A rewriter whose edits are counted, one that is made of others once. Inserting is free: it
    changes nothing until something reads what was inserted."""

    def __init__(self, graph: Graph, edits: _Edits, before: Op | None = None) -> None:
        super().__init__(graph, before=before)
        self.edits = edits

    def at(self, op: Op) -> Rewriter:
        assert op.graph is not None, "the insertion point was erased"
        moved = _Metered(op.graph, self.edits, before=op)
        moved.locate(op.loc)
        return moved

    def replace(self, op: Op, *values: Value | None) -> None:
        self.edits.spend("replace", op)
        Rewriter(self.graph).replace(op, *values)

    def replace_uses(self, old: Value, new: Value) -> None:
        self.edits.spend("replace every use of", old)
        Rewriter(self.graph).replace_uses(old, new)

    def set_operand(self, op: Op, index: int, value: Value | None) -> None:
        self.edits.spend(f"set operand {op.operand_name(index)} of", op)
        Rewriter(self.graph).set_operand(op, index, value)

    def erase(self, op: Op) -> None:
        self.edits.spend("erase", op)
        Rewriter(self.graph).erase(op)

    def refine(self, value: Value, type: TensorType) -> None:
        self.edits.spend("refine the type of", value)
        Rewriter(self.graph).refine(value, type)

    def move_into(self, op: Op, anchor: Op) -> None:
        self.edits.spend("move", op)
        Rewriter(self.graph).move_into(op, anchor)
