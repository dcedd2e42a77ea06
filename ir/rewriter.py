"""The Rewriter: the only way to change a graph.

Each edit is O(1) in the size of the graph (plus the uses it moves), keeps use lists right, merges
source locations, bumps ``graph.version`` and tells the listener (the pattern driver's worklist).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar

from edgec.ir.graph import Graph, Return
from edgec.ir.op import Op
from edgec.ir.types import TensorType
from edgec.ir.value import Constant, Range, Value
from edgec.ir.weight import Array, Weight

OpT = TypeVar("OpT", bound=Op)


class IllegalRewrite(Exception):
    """A pass asked for an edit that would make the graph wrong: a bug in that pass."""


class Listener(Protocol):
    """Who is told about edits."""

    def inserted(self, op: Op) -> None: ...

    def erased(self, op: Op) -> None: ...

    def changed(self, op: Op) -> None:
        """One of the op's operands was replaced, or the type of one of its results."""

    def use_changed(self, op: Op) -> None:
        """One of the op's results gained or lost a use."""


class Rewriter:
    """Edits one graph, at an insertion point.

    Args:
        graph: the graph (or region) to edit.
        before: insert new ops before this op; at the end (before ``return``) when None.
    """

    def __init__(
        self, graph: Graph, *, before: Op | None = None, listener: Listener | None = None
    ) -> None:
        self.graph = graph
        self._before = before
        self._listener = listener
        self._loc: tuple[str, ...] = ()

    # -- inserting ------------------------------------------------------------------------------

    def add(self, op: OpT, *, before: Op | None = None) -> OpT:
        """Insert an op at the insertion point (or before a given op) and return it."""
        anchor = before or self._before
        graph = self.graph if anchor is None else anchor.graph
        if graph is None:
            raise IllegalRewrite(f"{op!r} is inserted before {anchor!r}, which was erased")
        if anchor is None and graph.is_finished:
            anchor = graph.terminator
        op.loc = merged(op.loc, self._loc)
        graph._link(op, anchor)
        if self._listener:
            self._listener.inserted(op)
        return op

    def constant(self, data: Weight | Array, hint: str = "") -> Constant:
        """A new constant value."""
        return Constant(data, hint=hint)

    def record_range(self, value: Value, range: Range | None) -> None:
        """Say which numbers a value takes; None forgets it."""
        value.range = range
        self.graph._touch()

    def add_input(self, hint: str, type: TensorType) -> Value:
        return self.graph._add_input(hint, type)

    def exchange_input(self, old: Value, type: TensorType) -> Value:
        """A new input in the place and under the name of ``old``, which is an input no more: the
        caller gives its readers another value before the graph is used."""
        return self.graph._exchange_input(old, type)

    def finish(self, values: Sequence[Value], names: Sequence[str] = ()) -> None:
        """Close a graph under construction with its outputs."""
        if self.graph.is_finished:
            raise IllegalRewrite(f"graph {self.graph.name!r} has a return already")
        self.graph._link(Return(tuple(values), names=tuple(names)), None)

    def at(self, op: Op) -> Rewriter:
        """A rewriter that inserts before ``op``; what it inserts inherits that op's locations."""
        assert op.graph is not None, "the insertion point was erased"
        moved = Rewriter(op.graph, before=op, listener=self._listener)
        moved._loc = op.loc
        return moved

    def locate(self, loc: tuple[str, ...]) -> None:
        """What is inserted from now on also comes from these source nodes."""
        self._loc = merged(loc, self._loc)

    @contextmanager
    def located(self, loc: tuple[str, ...]) -> Iterator[None]:
        """What is inserted inside the block comes from these source nodes only."""
        outer, self._loc = self._loc, loc
        try:
            yield
        finally:
            self._loc = outer

    # -- replacing ------------------------------------------------------------------------------

    def replace(self, op: Op, *values: Value | None) -> None:
        """Let every use of ``op``'s results read ``values`` instead, and erase ``op``. None stands
        for a result that nobody reads.

        Raises:
            IllegalRewrite: another number of values, a value of another type, or one of the op's
                own results. The graph is as before then.
        """
        if len(values) != len(op.results):
            raise IllegalRewrite(
                f"{op!r} has {len(op.results)} results, {len(values)} replacements were given"
            )
        for old, new in zip(op.results, values, strict=True):
            if new is not None:
                _check_types(old, new)
            if (old.is_used and new is None) or (new is not None and new.producer is op):
                raise IllegalRewrite(f"{op!r} is replaced by nothing or by its own result")
        for old, new in zip(op.results, values, strict=True):
            if new is not None and (old.is_used or old is op.results[0]):
                self._inherit(old, new)
                self.replace_uses(old, new)
        self.erase(op)

    def replace_with(self, old: Op, new: OpT) -> OpT:
        """Insert ``new`` before ``old`` and let it take ``old``'s place."""
        self.at(old).add(new)
        self.replace(old, *new.results)
        return new

    def replace_uses(self, old: Value, new: Value) -> None:
        """Let every reader of ``old`` read ``new``.

        Raises:
            IllegalRewrite: the types could not be equal.
        """
        if old is new:
            return
        _check_types(old, new)
        for user in old.users:
            for index, operand in enumerate(user.operands):
                if operand is old:
                    self._set_slot(user, index, new)
        self._tell_about(old)
        self._tell_about(new)

    def set_operand(self, op: Op, index: int, value: Value | None) -> None:
        """Let one operand slot read another value of a compatible type (None: absent)."""
        old = op.operands[index]
        if old is not None and value is not None and not old.type.compatible(value.type):
            raise IllegalRewrite(f"operand {op.operand_name(index)} of {op!r}: {value.type}")
        self._set_slot(op, index, value)
        for touched in (old, value):
            if touched is not None:
                self._tell_about(touched)

    def erase(self, op: Op) -> None:
        """Remove an op whose results nobody reads (and everything in its regions).

        Raises:
            IllegalRewrite: a result is still in use.
        """
        for result in op.results:
            if result.is_used:
                raise IllegalRewrite(f"{op!r} is erased while %{result.hint} is in use")
        assert op.graph is not None, "an op is erased twice"
        operands = tuple(op.present_operands)
        op.graph._unlink(op)
        for region in op.regions:
            if region.parent is op:
                self._erase_all(region)
        if self._listener:
            self._listener.erased(op)
        for operand in operands:
            self._tell_about(operand)

    def discard(self, region: Graph) -> None:
        """Drop a nested graph that no op takes, so that what it read loses those uses."""
        self._erase_all(region)

    def _erase_all(self, region: Graph) -> None:
        """Drop the uses that the ops of an erased region hold on values outside it."""
        for op in reversed(tuple(region._all_ops)):
            for nested in op.regions:
                self._erase_all(nested)
            region._unlink(op)
            if self._listener:
                self._listener.erased(op)
            for operand in op.present_operands:
                self._tell_about(operand)

    def refine(self, value: Value, type: TensorType) -> None:
        """Give a value a more precise type (fewer symbols); never a contradicting one."""
        if not value.type.compatible(type):
            raise IllegalRewrite(f"{value.type} cannot be refined to {type}")
        value.type = type
        self.graph._touch()
        if self._listener and value.producer is not None:
            self._listener.changed(value.producer)

    def rename(self, value: Value, like: Value | None) -> None:
        """Give a value that holds other numbers now the name and the range of the value that had
        them, or none."""
        value.hint = "" if like is None else like.hint
        value.range = None if like is None else like.range
        self.graph._touch()

    def move_into(self, op: Op, anchor: Op) -> None:
        """Move an op before ``anchor``, possibly out of a region into a graph around it."""
        assert op.graph is not None, "an erased op is moved"
        assert anchor.graph is not None, "the insertion point was erased"
        op.graph._unlink(op)
        anchor.graph._link(op, anchor)
        if self._listener:
            self._listener.changed(op)

    # -- internals ------------------------------------------------------------------------------

    def _set_slot(self, op: Op, index: int, value: Value | None) -> None:
        old = op._operands[index]
        if old is value:
            return
        op._operands[index] = value
        if old is not None:
            old._drop_use(op)
        if value is not None:
            value._add_use(op)
        assert op.graph is not None, "an unlinked op is edited"
        op.graph._touch()
        _forget_contents(op)
        if self._listener:
            self._listener.changed(op)

    def _tell_about(self, value: Value) -> None:
        if self._listener and value.producer is not None and value.producer.graph is not None:
            self._listener.use_changed(value.producer)

    def _inherit(self, old: Value, new: Value) -> None:
        """What was made to take a value's place takes its name too: a name always stands for the
        same numbers, so that layers can be compared by it before and after. So does a range."""
        if new.producer is None or (new.is_used and new.hint):
            return
        new.hint = old.hint or new.hint
        new.range = old.range or new.range


def _check_types(old: Value, new: Value) -> None:
    if not old.type.compatible(new.type):
        raise IllegalRewrite(f"a value of type {old.type} is replaced by one of {new.type}")


def _forget_contents(op: Op) -> None:
    """What was derived from the elements of an operand is derived anew when it is asked for."""
    pending = [op]
    while pending:
        for result in pending.pop().results:
            if result.contents_memo is not None:
                result.contents_memo = None
                pending.extend(result.users)


MOST_LOCATIONS = 64  # of one op; a chain of a hundred thousand merged ops still names both its ends


def merged(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    """Both location lists without repetition, in order; of a long one its beginning and its end."""
    if not second or first == second:
        return first
    found = tuple(dict.fromkeys(first + second))
    half = MOST_LOCATIONS // 2
    return found if len(found) <= MOST_LOCATIONS else found[:half] + found[-half:]
