"""What each op of a graph adds to memory and takes from it, whatever the order.

Values are cut into **pieces**, so that the bytes which a view shares with its whole count once. A
piece is alive from the op that makes it until every op has run that reads a value holding it: what
is alive depends on the set of ops that have run, not on their order. That makes searching orders a
shortest path over such sets.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgec.ir import Constant, Effect, Elementwise, Graph, Op, Value
from edgec.ir.ops import BatchNorm, Reshape
from edgec.kernels import Contents, Memory, bytes_of, plan_buffers, reads_of, shape_of


@dataclass
class Piece:
    """Bytes that live and die together; ``readers`` are numbers of ops."""

    size: int
    readers: set[int] = field(default_factory=set)
    lasts: bool = False  # part of an output


@dataclass
class Node:
    """One op: the pieces it makes and reads, the ops that it waits for, the bytes that its regions
    need, and the operands that it may write its result over."""

    born: list[int]
    reads: set[int]
    after: set[int]
    inner: int
    over: list[tuple[int, ...]]


@dataclass
class MemoryModel:
    """All ops in their present order, the pieces, and the pieces that are alive beforehand."""

    nodes: list[Node]
    pieces: list[Piece]
    given: list[int]


def memory_model(graph: Graph, symbols: Mapping[str, int], memory: Memory) -> MemoryModel:
    """The model of one graph or region; values of unknown size weigh nothing."""
    return _Builder(graph, symbols, memory).build()


class _Builder:
    def __init__(self, graph: Graph, symbols: Mapping[str, int], memory: Memory) -> None:
        self._graph = graph
        self._symbols = symbols
        self._memory = memory
        self._ops = list(graph.ops)
        self._contents = Contents(lambda value: shape_of(value, symbols), self._size)
        self._pieces: list[Piece] = []
        self._by_source: dict[Value, list[tuple[int, int, int]]] = {}  # begin, end, piece

    def build(self) -> MemoryModel:
        own = dict.fromkeys((*self._graph.inputs, *(r for op in self._ops for r in op.results)))
        for op in self._ops:
            self._learn(op)
        self._cut(own)
        held = {value: self._held(value) for value in own}
        producers = {r: number for number, op in enumerate(self._ops) for r in op.results}
        nodes = [self._node(number, op, held, producers) for number, op in enumerate(self._ops)]
        _keep_effects_in_order(self._ops, nodes)
        for value in self._graph.outputs:
            for piece in held.get(value, ()):
                self._pieces[piece].lasts = True
        given = [piece for value in self._graph.inputs for piece in self._own_pieces(value)]
        return MemoryModel(nodes, self._pieces, given)

    def _learn(self, op: Op) -> None:
        if isinstance(op, Reshape) and self._memory.sharing != "none":
            self._contents.learn_reshape(op)
        elif self._memory.sharing == "all":
            self._contents.learn_parts(op)

    def _cut(self, own: Mapping[Value, None]) -> None:
        """Cut every source where some value begins or ends to hold it."""
        cuts: dict[Value, set[int]] = {}
        for value in own:
            for source, begin, size in self._contents.of(value):
                cuts.setdefault(source, set()).update((begin, begin + size))
        for source, found in cuts.items():
            if isinstance(source, Constant):
                continue
            marks = sorted(found)
            for begin, end in itertools.pairwise(marks):
                self._by_source.setdefault(source, []).append((begin, end, len(self._pieces)))
                self._pieces.append(Piece(end - begin))

    def _held(self, value: Value) -> tuple[int, ...]:
        """The pieces of a value in order."""
        return tuple(
            piece
            for source, begin, size in self._contents.of(value)
            for low, high, piece in self._by_source.get(source, ())
            if begin <= low and high <= begin + size
        )

    def _own_pieces(self, value: Value) -> list[int]:
        """The pieces that come to be with a value: none for a view."""
        atoms = self._contents.of(value)
        if len(atoms) != 1 or atoms[0][0] is not value:
            return []
        return [piece for _, _, piece in self._by_source.get(value, ())]

    def _node(
        self,
        number: int,
        op: Op,
        held: Mapping[Value, tuple[int, ...]],
        producers: Mapping[Value, int],
    ) -> Node:
        operands = dict.fromkeys(reads_of(op))
        reads = {piece for value in operands for piece in held.get(value, ())}
        for piece in reads:
            self._pieces[piece].readers.add(number)
        after = {producers[value] for value in operands if value in producers}
        born = [piece for result in op.results for piece in self._own_pieces(result)]
        over = [held[x] for x in operands if x in held and self._may_overwrite(op, x)]
        return Node(born, reads, after, self._inner(op), over)

    def _may_overwrite(self, op: Op, x: Value) -> bool:
        if self._memory.sharing != "all" or not (op.has(Elementwise) or isinstance(op, BatchNorm)):
            return False
        same_shape = shape_of(x, self._symbols) == shape_of(op.result, self._symbols)
        return same_shape and self._size(x) == self._size(op.result)

    def _inner(self, op: Op) -> int:
        plans = [plan_buffers(region, self._symbols, self._memory) for region in op.regions]
        return max((plan.arena_bytes for plan in plans), default=0)

    def _size(self, value: Value) -> int:
        shape = shape_of(value, self._symbols)
        return 0 if shape is None else bytes_of(value, shape, packed=self._memory.packed)


def _keep_effects_in_order(ops: Sequence[Op], nodes: Sequence[Node]) -> None:
    """Random numbers are drawn in the order in which they are written."""
    before: int | None = None
    for number, (op, node) in enumerate(zip(ops, nodes, strict=True)):
        if any(inner.has(Effect) for inner in _with_inner(op)):
            if before is not None:
                node.after.add(before)
            before = number


def _with_inner(op: Op) -> list[Op]:
    return [op, *(inner for region in op.regions for inner in region.walk)]
