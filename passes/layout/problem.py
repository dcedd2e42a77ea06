"""The decisions of a graph as a minimum cut.

Each op that can be turned is a node: 0 is FIRST, 1 is LAST. A tensor is made in the layout p of its
producer and wanted in the layouts of its readers; if any of them is not p, one transpose serves all
of these. For that there are two more nodes per tensor, "there is a LAST copy" and "there is a FIRST
copy": a reader that is LAST forces the first of them to 1 (an arc of infinite capacity), and it
costs the tensor's bytes if it is 1 while p is 0; likewise the other. The cheapest values of the two
nodes are exactly whether some reader disagrees, and every term is an arc, so that the minimum cut
is the minimum of all choices (a project selection with shared costs: Picard, 1976).

Ties: fewest transposes (also of dims of 1, which move nothing), then fewest ops turned.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations

from edgec.ir import Constant, LayoutCosts, Op, Value
from edgec.ir.ops import Transpose
from edgec.passes.layout.cut import SINK, SOURCE, CutProblem
from edgec.passes.layout.forms import (
    FIRST,
    LAYOUT_NAMES,
    Form,
    composed,
    cost,
    inverse,
)
from edgec.passes.layout.propagate import Spread

TURN, MOVE, BYTE = 1, 1 << 20, 1 << 44  # even, and each outweighs the sum of all before it
FORCED = 1 << 100
_TERMINALS = (SOURCE, SINK)

Key = tuple[Value, Form]  # a tensor: the value that holds it, in the form that it is written in


@dataclass
class Tensor:
    """Who makes a tensor and who reads it, as nodes of the cut.

    Attributes:
        made: the node of its maker.
        readers: the nodes of its readers, each with one such op and its operand number.
    """

    value: Value
    form: Form
    made: int
    readers: dict[int, tuple[Op, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """What was decided: the layout of each op that can be turned.

    Attributes:
        layouts: of carries, FIRST or LAST.
        reads, makes: of free transposes.
    """

    layouts: dict[Op, int]
    reads: dict[Op, int]
    makes: dict[Op, int]


class Problem:
    """The cut of one graph (a region apart from what is around it).

    Args:
        spread: forms, and what each op can do.
        costs: of ops, per layout.
        io_free: inputs come, and outputs leave, in whichever layout suits the others.
    """

    def __init__(self, spread: Spread, costs: LayoutCosts, *, io_free: bool = False) -> None:
        self.spread = spread
        self.costs = costs
        self.io_free = io_free
        self.cut = CutProblem()
        self.tensors: dict[Key, Tensor] = {}
        self.nodes: dict[Op, int] = {}  # of carries; a terminal where there is no choice
        self.reading: dict[Op, int] = {}  # of free transposes
        self.making: dict[Op, int] = {}
        for op in spread.graph.ops:
            self._enter(op)
        if not io_free:
            self._read_as_written(spread.graph.terminator)
        for tensor in self.tensors.values():
            if io_free and tensor.value.producer is None:
                tensor.made = self.cut.node()
            self._connect(tensor)

    # -- nodes --------------------------------------------------------------------------------

    def _enter(self, op: Op) -> None:
        if op in self.spread.carries:
            self._enter_carry(op)
        elif op in self.spread.free and isinstance(op, Transpose):
            self._enter_free(op)
        elif op not in self.spread.aliases:
            self._read_as_written(op)

    def _enter_carry(self, op: Op) -> None:
        carry = self.spread.carries[op]
        node = self.nodes[op] = self._choice(op, written_layout(carry.operands + carry.results))
        for index, (value, form) in enumerate(zip(op.operands, carry.operands, strict=True)):
            if value is None or isinstance(value, Constant):
                continue
            if form is None:
                self._read(value, op, index)
            else:
                self.tensor(value, form, op, index).readers.setdefault(node, (op, index))
        for value, form in zip(op.results, carry.results, strict=True):
            if form is not None:
                self.tensor(value, form, op, 0).made = node

    def _choice(self, op: Op, written: int) -> int:
        """The node of an op with its costs; a terminal where the target allows one layout only."""
        prices = [self.costs.of(op, name) for name in LAYOUT_NAMES]
        allowed = [layout for layout, price in enumerate(prices) if price is not None]
        if not allowed:
            return _TERMINALS[written]
        if len(allowed) == 1:
            return _TERMINALS[allowed[0]]
        node = self.cut.node()
        first, last = (price or 0 for price in prices)
        self.cut.price(node, (last - first) * BYTE + (TURN if written == FIRST else -TURN))
        return node

    def _enter_free(self, op: Transpose) -> None:
        """Costs of the four combinations of what it reads and makes; see Kolmogorov and Zabih."""
        source, target = self.spread.forms.of(op.x), self.spread.forms.of(op.result)
        reads = [self.cut.node()] if source else []
        makes = [self.cut.node()] if target else []
        table = [[_free_cost(op, source, target, t, s) for s in (0, 1)] for t in (0, 1)]
        if source and target and table[0][0] + table[1][1] > table[0][1] + table[1][0]:
            makes, fixed = [_TERMINALS[target.written]], target.written
            table = [[row[fixed], row[fixed]] for row in table]
        t, s = (reads or [SOURCE])[0], (makes or [SOURCE])[0]
        (c00, c01), (c10, c11) = table
        self.cut.price(t, c10 - c00)
        self.cut.price(s, c11 - c10)
        self.cut.arc(t, s, c01 + c10 - c00 - c11)
        if source:
            self.reading[op] = t
            self.tensor(op.x, source, op, 0).readers.setdefault(t, (op, 0))
        if target:
            self.making[op] = s
            self.tensor(op.result, target, op, 0).made = s

    def _read_as_written(self, op: Op) -> None:
        for index, value in enumerate(op.operands):
            if value is not None and not isinstance(value, Constant):
                self._read(value, op, index)
        for region in op.regions:
            for value in region.free_values:
                self._read(value, op, -1)

    def _read(self, value: Value, op: Op, index: int) -> None:
        """An op reads a value as it is written."""
        form = self.spread.forms.of(value)
        if form is not None:
            node = _TERMINALS[form.written]
            self.tensor(value, form, op, index).readers.setdefault(node, (op, index))

    # -- tensors ------------------------------------------------------------------------------

    def tensor(self, value: Value, form: Form, op: Op, index: int) -> Tensor:
        """The tensor that a value holds when an op reads (or makes) it in that form."""
        value, form = self.root(value, form)
        found = self.tensors.get((value, form))
        if found is None:
            found = Tensor(value, form, _TERMINALS[form.written])
            self.tensors[value, form] = found
            if self.spread.forms.of(value) != form:
                self._read(value, op, index)  # made from the value as it is written
        return found

    def root(self, value: Value, form: Form) -> Key:
        """What the tensor is called where it is made: transposes that only swap its layout make
        nothing new."""
        while value.producer in self.spread.aliases and self.spread.forms.of(value) == form:
            alias = value.producer
            assert alias is not None
            value, form = _x(alias), self.spread.aliases[alias].source
        return value, form

    def _connect(self, tensor: Tensor) -> None:
        price = cost(tensor.value.type, tensor.form.perm) if is_whole(tensor) else view_cost(tensor)
        capacity = price * BYTE + MOVE
        others = [node for node in tensor.readers if node != tensor.made]
        if len(others) == 1:
            self.cut.arc(tensor.made, others[0], capacity, capacity)
            return
        if len(others) == 2:
            half = capacity // 2
            for u, v in combinations((tensor.made, *others), 2):
                self.cut.arc(u, v, half, half)
            return
        for there, here in ((SINK, 0), (SOURCE, 1)):
            copy = there if there in tensor.readers else self.cut.node()
            pair = (capacity, 0) if here == 0 else (0, capacity)
            self.cut.arc(tensor.made, copy, *pair)
            if copy != there:
                for node in others:
                    self.cut.arc(copy, node, *((FORCED, 0) if here == 0 else (0, FORCED)))

    # -- solution -----------------------------------------------------------------------------

    def decision(self, labels: list[int]) -> Decision:
        """What the labels of the nodes say."""
        return Decision(
            {op: labels[node] for op, node in self.nodes.items()},
            {op: labels[node] for op, node in self.reading.items()},
            {op: labels[node] for op, node in self.making.items()},
        )


def written_layout(slots: tuple[Form | None, ...]) -> int:
    """FIRST or LAST: how an op is written."""
    return next((form.written for form in slots if form is not None), FIRST)


def is_whole(tensor: Tensor) -> bool:
    """False when the tensor is a value of a lower rank under leading dims of 1."""
    return tensor.form.rank == tensor.value.type.rank


def view_cost(tensor: Tensor) -> int:
    """Bytes that transposing a value under leading dims of 1 moves."""
    type = tensor.value.type
    lifted = type.with_dims((1,) * (tensor.form.rank - type.rank) + type.dims)
    return cost(lifted, tensor.form.perm)


def free_perm(
    op: Transpose, source: Form | None, target: Form | None, reads: int, makes: int
) -> tuple[int, ...]:
    """The permutation that a free transpose becomes."""
    perm = op.perm
    if source is not None and reads != source.written:
        perm = composed(inverse(source.perm), perm)
    if target is not None and makes != target.written:
        perm = composed(perm, target.perm)
    return perm


def _free_cost(
    op: Transpose, source: Form | None, target: Form | None, reads: int, makes: int
) -> int:
    perm = free_perm(op, source, target, reads, makes)
    type = op.x.type
    if source is not None and reads != source.written:
        type = type.with_dims(tuple(type.dims[axis] for axis in source.perm))
    identity = perm == tuple(range(len(perm)))
    return 0 if identity else cost(type, perm) * BYTE + MOVE


def _x(op: Op) -> Value:
    value = op.operands[0]
    assert value is not None
    return value
