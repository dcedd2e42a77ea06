"""Rewriting a graph as it was decided: ops are turned, constants permuted, transposes inserted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgec.ir import Constant, Graph, Op, Rewriter, Value
from edgec.ir.ops import Reshape, Transpose
from edgec.passes.layout.forms import LAYOUT_NAMES, Form, inverse, moves, permuted
from edgec.passes.layout.problem import Decision, Key, Problem, free_perm, written_layout


@dataclass(frozen=True)
class Inserted:
    """A transpose (or a reshape in its place) of a tensor into a layout."""

    op: Op
    key: Key
    layout: int


class Turner:
    """Rewrites one graph.

    Attributes:
        originals: the result that each result of a rewritten op stands for, where both are written
            alike.
        inserted: what was put between ops that disagree.
        turned: number of ops that were rewritten.
    """

    def __init__(self, problem: Problem, decision: Decision, rw: Rewriter) -> None:
        self.problem = problem
        self.spread = problem.spread
        self.graph: Graph = problem.spread.graph
        self.decision = decision
        self.rw = rw
        self.copies: dict[Key, dict[int, Value]] = {}
        self.constants: dict[tuple[Constant, Form], Constant] = {}
        self.dead: list[Op] = []
        self.originals: dict[Value, Value] = {}
        self.inserted: list[Inserted] = []
        self.turned = 0

    def run(self) -> None:
        for op in tuple(self.graph.ops):
            if op in self.spread.aliases:
                self.dead.append(op)
            elif op in self.spread.carries:
                self._carry(op)
            elif op in self.spread.free and isinstance(op, Transpose):
                self._free(op)
            else:
                self._as_written(op)
        self._as_written(self.graph.terminator)
        for op in reversed(self.dead):
            self.rw.erase(op)

    # -- ops ----------------------------------------------------------------------------------

    def _carry(self, op: Op) -> None:
        carry = self.spread.carries[op]
        layout = self.decision.layouts[op]
        if layout == written_layout(carry.operands + carry.results):
            self._as_written(op)
            return
        pairs = zip(op.operands, carry.operands, strict=True)
        operands = [value and self._read(value, form, layout, op) for value, form in pairs]
        made = op.copy(operands=operands, **carry.changes)
        self.rw.add(made, before=op)
        results = made.results if carry.finish is None else carry.finish(self.rw.at(op), made)
        for old, new, form in zip(op.results, results, carry.results, strict=True):
            new.hint = new.hint or old.hint
            new.range = new.range or old.range
            if form is None:
                self._stand_in(old, new)
            else:
                self._keep_symbols(new, permuted(old.type.dims, form.perm))
                self.copies[self.problem.root(old, form)] = {layout: new}
        self.dead.append(op)
        self.turned += 1

    def _free(self, op: Transpose) -> None:
        source, target = self.spread.forms.of(op.x), self.spread.forms.of(op.result)
        reads, makes = self.decision.reads.get(op, 0), self.decision.makes.get(op, 0)
        perm = free_perm(op, source, target, reads, makes)
        x = self._read(op.x, source, reads, op)
        if perm == op.perm and (target is None or makes == target.written):
            self.rw.set_operand(op, 0, x)
            return
        made = x
        if perm != tuple(range(len(perm))):
            made = self.rw.add(op.copy(x=x, perm=perm), before=op).result
            made.hint = made.hint or op.result.hint
            made.range = made.range or op.result.range
        if target is None:
            self._stand_in(op.result, made)
        else:
            self.copies[self.problem.root(op.result, target)] = {makes: made}
        self.dead.append(op)
        self.turned += 1

    def _as_written(self, op: Op) -> None:
        for index, value in enumerate(op.operands):
            if value is not None:
                self.rw.set_operand(op, index, self._written(value, op))
        for region in op.regions:
            for value in region.free_values:
                self._within(op, value, self._written(value, op))

    def _within(self, op: Op, old: Value, new: Value) -> None:
        """Let the ops in the regions of ``op`` read another value."""
        if old is new:
            return
        for user in old.users:
            if _is_inside(user, op):
                for index, value in enumerate(user.operands):
                    if value is old:
                        self.rw.set_operand(user, index, new)

    def _stand_in(self, old: Value, new: Value) -> None:
        """A result that is the same in both layouts."""
        self._keep_symbols(new, old.type.dims)
        known = self.spread.forms.known
        if old in known:
            known[new] = known[old]
        self.originals[new] = old
        self.rw.replace_uses(old, new)

    def _keep_symbols(self, value: Value, dims: tuple[object, ...]) -> None:
        """The dims by the names that readers know, but for those of which the number is known."""
        if value.type.is_static or value.type.dims == dims:
            return
        pairs = zip(value.type.dims, dims, strict=True)
        named = tuple(own if isinstance(own, int) else known for own, known in pairs)
        self.rw.refine(value, value.type.with_dims(named))  # type: ignore[arg-type]  # dims of a type

    # -- values -------------------------------------------------------------------------------

    def _read(self, value: Value, form: Form | None, layout: int, op: Op) -> Value:
        if form is None:
            return self._written(value, op)
        if isinstance(value, Constant):
            return value if layout == form.written else self._permuted(value, form)
        return self._copy(self.problem.root(value, form), layout, op)

    def _written(self, value: Value, op: Op) -> Value:
        """A value as the model has it."""
        form = self.spread.forms.of(value)
        return value if form is None else self._read(value, form, form.written, op)

    def _copy(self, key: Key, layout: int, op: Op) -> Value:
        """A tensor in a layout, transposed before ``op`` when it is first wanted there."""
        value, form = key
        found = self.copies.get(key)
        if found is None:
            at_hand = value
            if self.spread.forms.of(value) != form:
                at_hand = self._written(value, op)
            found = self.copies[key] = {form.written: at_hand}
        if layout not in found:
            found[layout] = self._transposed(key, found[1 - layout], layout, op)
        return found[layout]

    def _transposed(self, key: Key, source: Value, layout: int, op: Op) -> Value:
        value, form = key
        perm = form.perm if layout != form.written else inverse(form.perm)
        dims = (1,) * (form.rank - source.type.rank) + source.type.dims
        made: Op
        if not moves(perm, dims):
            made = Reshape(source, to=permuted(dims, perm))
        else:
            if len(dims) != source.type.rank:
                source = self._placed(Reshape(source, to=dims), value, op).result
            made = Transpose(source, perm=perm)
        self._placed(made, value, op)
        if value.hint:
            made.result.hint = f"{value.hint}.{LAYOUT_NAMES[layout]}"
        self.inserted.append(Inserted(made, (self.originals.get(value, value), form), layout))
        return made.result

    def _placed(self, made: Op, value: Value, op: Op) -> Op:
        """An op put before its first reader, as coming from where the value does."""
        made.loc = op.loc if value.producer is None else value.producer.loc
        return self.rw.add(made, before=op)

    def _permuted(self, value: Constant, form: Form) -> Constant:
        """A constant in the other arrangement; one that broadcasts loses leading dims of 1."""
        found = self.constants.get((value, form))
        if found is None:
            rank = value.array.ndim
            array = value.array.reshape((1,) * (form.rank - rank) + value.array.shape)
            array = array.transpose(form.perm)
            if rank < form.rank:
                kept = next((i for i, size in enumerate(array.shape) if size != 1), form.rank)
                array = array.reshape(array.shape[kept:])
            array = np.ascontiguousarray(array)
            found = Constant(array, hint=value.hint, type=value.type.with_dims(array.shape))
            self.constants[value, form] = found
        return found


def _is_inside(op: Op, outer: Op) -> bool:
    graph = op.graph
    while graph is not None and graph.parent is not None:
        if graph.parent is outer:
            return True
        graph = graph.parent.graph
    return False
