"""Finding the form of every value: it spreads from the layout-sensitive ops through the rules.

Where two forms meet that do not agree (a convolution over channels that were spatial before), the
first one stays, and the op between them is pinned or reads the value as it is written.
"""

from __future__ import annotations

from collections import deque

from edgec.ir import Constant, Graph, LayoutSensitive, Op, Return, Value
from edgec.ir.ops import Transpose
from edgec.passes.layout.forms import Form, form_of
from edgec.passes.layout.table import Alias, Answer, Carry, Forms, Free, answer


class Spread:
    """The forms of a graph's values and what each op can do with them.

    Attributes:
        forms: of values.
        carries: ops that can be turned.
        aliases: transposes between the two arrangements of one tensor.
        free: transposes that read and make either arrangement.
        refusals: ops that cannot be turned beside values that could, with the reason.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.forms = Forms()
        self.carries: dict[Op, Carry] = {}
        self.aliases: dict[Op, Alias] = {}
        self.free: dict[Op, Free] = {}
        self.refusals: dict[Op, str] = {}
        self._pending: deque[Op] = deque()
        for op in graph.ops:
            if op.has(LayoutSensitive):
                self._pending.append(op)
        self._drain()
        for op in graph.ops_of(Transpose):
            self._seed(op)
            self._drain()

    def _seed(self, op: Transpose) -> None:
        """Away from layout-sensitive ops, a transpose between the layouts tells the form."""
        if op in self.aliases or op in self.free or op in self.carries:
            return
        rank = op.x.type.rank
        for last in (False, True):
            form = form_of(rank, 1, last)
            if form is not None and op.perm == form.perm:
                self._learn(op.x, form)
                return

    def _drain(self) -> None:
        while self._pending:
            op = self._pending.popleft()
            if op.graph is self.graph and op not in self.carries and op not in self.aliases:
                self._take(op, answer(op, self.forms))

    def _take(self, op: Op, found: Answer) -> None:
        if isinstance(found, Carry):
            self._take_carry(op, found)
        elif isinstance(found, Alias) and _can_turn(op.result):
            self.aliases[op] = found
            self.free.pop(op, None)
            self._learn_one(op.operands[0], found.source)
            self._learn_one(op.result, found.target)
        elif isinstance(found, Free):
            self.free[op] = found
        elif isinstance(found, str):
            self.refusals.setdefault(op, found)

    def _take_carry(self, op: Op, carry: Carry) -> None:
        reason = self._why_not(op, carry)
        if reason is not None:
            self.refusals[op] = reason
            return
        self.refusals.pop(op, None)
        self.free.pop(op, None)
        self.carries[op] = carry
        for operand, form in zip(op.operands, carry.operands, strict=True):
            self._learn_one(operand, form)
        for value, form in zip(op.results, carry.results, strict=True):
            self._learn_one(value, form)

    def _why_not(self, op: Op, carry: Carry) -> str | None:
        turning = [
            value
            for values, slots in ((op.operands, carry.operands), (op.results, carry.results))
            for value, form in zip(values, slots, strict=True)
            if form is not None
        ]
        if not all(map(_can_turn, turning)):
            return "a value is quantized along an axis of its type"
        for value, form in zip(op.results, carry.results, strict=True):
            if form is not None and self.forms.of(value) not in (None, form):
                return "its result is read under other channel axes"
        return None

    def _learn_one(self, value: Value | None, form: Form | None) -> None:
        if value is None or form is None or isinstance(value, Constant):
            return
        if form.rank == value.type.rank:
            self._learn(value, form)

    def _learn(self, value: Value, form: Form) -> None:
        if value in self.forms.known or not _can_turn(value):
            return
        self.forms.known[value] = form
        if value.producer is not None:
            self._pending.append(value.producer)
        self._pending.extend(user for user in value.users if not isinstance(user, Return))


def _can_turn(value: Value | None) -> bool:
    """False for values whose type counts axes."""
    return value is None or value.type.quant is None or value.type.quant.axis is None
