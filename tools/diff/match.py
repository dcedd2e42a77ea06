"""Which op of one graph is which op of another.

First what is equal from the inputs on (value numbering over both graphs), then what has the same
name, the same source layers, or the same weights, then what stands beside something matched. Ops of
different classes never match.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence

from edgec.ir import Constant, Graph, Op, Return, Value, print_op

Key = Callable[[Op], Hashable | None]
LEAST_ELEMENTS = 8  # of a weight that tells an op from others


class Matching:
    """Pairs of ops, one of each graph; each op is in one pair at most."""

    def __init__(self, a: Graph, b: Graph) -> None:
        self.a, self.b = list(a.walk), list(b.walk)
        self.of_a: dict[Op, Op] = {}
        self.of_b: dict[Op, Op] = {}
        numbers = _Numbering()
        self._pair_up(numbers.of_ops(a), numbers.of_ops(b), several=True)
        for key in (_by_name, _by_layers, _by_weights):
            self._pair_up(_keyed(self._left_a, key), _keyed(self._left_b, key), several=False)
        self._take_in()
        self._spread()

    @property
    def _left_a(self) -> list[Op]:
        return [op for op in self.a if op not in self.of_a]

    @property
    def _left_b(self) -> list[Op]:
        return [op for op in self.b if op not in self.of_b]

    def _pair(self, a: Op, b: Op) -> None:
        self.of_a[a], self.of_b[b] = b, a

    def _pair_up(
        self,
        a: Sequence[tuple[Op, Hashable]],
        b: Sequence[tuple[Op, Hashable]],
        *,
        several: bool,
    ) -> None:
        """Pair ops of equal keys; where ``several`` have one, in order, otherwise none of them."""
        groups: dict[Hashable, tuple[list[Op], list[Op]]] = defaultdict(lambda: ([], []))
        for side, keyed in enumerate((a, b)):
            for op, key in keyed:
                groups[key][side].append(op)
        for ours, theirs in groups.values():
            if several or len(ours) == len(theirs) == 1:
                for one, other in zip(ours, theirs, strict=False):
                    self._pair(one, other)

    def _take_in(self) -> None:
        """Pair an op with the one of its class that carries its layers and those of others."""
        heirs: dict[tuple[type[Op], str], list[Op]] = defaultdict(list)
        for op in self._left_b:
            for layer in op.loc:
                heirs[type(op), layer].append(op)
        for op in self._left_a:
            found = [
                heir
                for heir in heirs.get((type(op), op.loc[0] if op.loc else ""), ())
                if set(op.loc) <= set(heir.loc) and heir not in self.of_b
            ]
            if len(found) == 1:
                self._pair(op, found[0])

    def _spread(self) -> None:
        """Pair what stands beside a pair: producers of the same operand, single readers."""
        pending = list(self.of_a.items())
        while pending:
            a, b = pending.pop()
            for one, other in _beside(a, b):
                free = one not in self.of_a and other not in self.of_b
                if free and type(one) is type(other) and not isinstance(one, Return):
                    self._pair(one, other)
                    pending.append((one, other))


def _beside(a: Op, b: Op) -> Iterable[tuple[Op, Op]]:
    for x, y in zip(a.operands, b.operands, strict=False):
        if x is not None and y is not None and x.producer and y.producer:
            yield x.producer, y.producer
    for x, y in zip(a.results, b.results, strict=False):
        if len(x.users) == 1 and len(y.users) == 1:
            yield x.users[0], y.users[0]


class _Numbering:
    """The same number for values that are the same computation on the same inputs and weights."""

    def __init__(self) -> None:
        self.numbers: dict[Hashable, int] = {}

    def of_ops(self, graph: Graph) -> list[tuple[Op, Hashable]]:
        known: dict[Value, int] = {}
        for part in graph.graphs:
            for value in part.inputs:
                known[value] = self._number(("input", part is graph, value.hint, str(value.type)))
        found: list[tuple[Op, Hashable]] = []
        for op in graph.walk:
            key = (
                type(op),
                repr(sorted(op.attributes.items())),
                tuple(self._operand(v, known) for v in op.operands),
                tuple(str(result.type) for result in op.results),
                tuple(print_op(inner) for region in op.regions for inner in region.walk),
            )
            number = self._number(key)
            for result in op.results:
                known[result] = self._number((number, result.index))
            found.append((op, number))
        return found

    def _operand(self, value: Value | None, known: dict[Value, int]) -> int:
        if value is None:
            return -1
        if isinstance(value, Constant):
            return self._number(("constant", str(value.type), value.weight.digest))
        return known.get(value, -2)  # a later value of a graph around a region

    def _number(self, key: Hashable) -> int:
        return self.numbers.setdefault(key, len(self.numbers))


def _keyed(ops: Iterable[Op], key: Key) -> list[tuple[Op, Hashable]]:
    return [(op, found) for op in ops if (found := key(op)) is not None]


def _by_name(op: Op) -> Hashable | None:
    hint = op.results[0].hint if op.results else ""
    return (type(op), hint) if hint and not hint.isdigit() else None


def _by_layers(op: Op) -> Hashable | None:
    return (type(op), op.loc) if op.loc else None


def _by_weights(op: Op) -> Hashable | None:
    digests = tuple(
        value.weight.digest
        for value in op.operands
        if isinstance(value, Constant) and value.type.elements() >= LEAST_ELEMENTS
    )
    return (type(op), digests) if digests else None
