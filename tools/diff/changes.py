"""The differences between two matched graphs, sorted into what a person would call them."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgec.ir import Constant, Graph, Op, TensorType, Value, print_op
from edgec.tools.diff.match import Matching

KINDS = (
    "input", "output", "fused", "replaced", "removed", "split", "added", "type", "layout", "scale",
    "shape", "attribute", "weights", "operand", "moved",
)  # fmt: skip
"""What a difference can be called, in the order of printing."""
QUANTIZING = ("scale", "zero_point")  # operands by which an op quantizes


@dataclass(frozen=True)
class Change:
    """One difference: what kind, in words, and the source layers that it is about."""

    kind: str
    text: str
    layers: tuple[str, ...] = ()

    def __str__(self) -> str:
        source = f"  (from {', '.join(self.layers)})" if self.layers else ""
        return f"{self.kind:9} {self.text}{source}"


@dataclass(frozen=True)
class GraphDiff:
    """Every difference between two graphs, by kind, and the number of ops that are the same."""

    changes: Sequence[Change]
    same: int

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __str__(self) -> str:
        counts = Counter(change.kind for change in self.changes)
        told = [f"{counts[kind]} {kind}" for kind in KINDS if counts[kind]]
        lines = [str(change) for change in self.changes]
        return "\n".join(
            [*lines, f"{self.same} ops are the same; " + (", ".join(told) or "nothing else")]
        )


def diff_graphs(a: Graph, b: Graph) -> GraphDiff:
    """What became of the ops of one graph in another."""
    matching = Matching(a, b)
    changed = [(one, other, list(_between(one, other))) for one, other in matching.of_a.items()]
    found = [*_signature("input", a.input_names, a.inputs, b.input_names, b.inputs)]
    found += _signature("output", a.output_names, a.outputs, b.output_names, b.outputs)
    found += _gone(matching)
    found += _come(matching)
    for _, _, changes in changed:
        found += changes
    found += _rewired(matching)
    found += _moved(matching)
    touched = sum(bool(changes) for _, _, changes in changed)
    ordered = sorted(found, key=lambda change: KINDS.index(change.kind))
    return GraphDiff(ordered, len(changed) - touched)


def _signature(
    kind: str,
    a_names: Sequence[str],
    a_values: Sequence[Value],
    b_names: Sequence[str],
    b_values: Sequence[Value],
) -> Iterator[Change]:
    before, after = (
        {name: value.type for name, value in zip(names, values, strict=True)}
        for names, values in ((a_names, a_values), (b_names, b_values))
    )
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if old != new:
            yield Change(kind, f"{name}: {old or 'absent'} → {new or 'absent'}")


def _gone(matching: Matching) -> Iterator[Change]:
    """Ops of the first graph only: what carries all their layers now took them in."""
    for op in matching.a:
        if op in matching.of_a:
            continue
        heir = next((b for b in matching.b if op.loc and set(op.loc) <= set(b.loc)), None)
        if heir is None:
            yield Change("removed", _short(op), op.loc)
        elif heir.loc == op.loc and heir not in matching.of_b:
            yield Change("replaced", f"{_short(op)} → {_short(heir)}", op.loc)
        else:
            yield Change("fused", f"{_short(op)} → into {_short(heir)}", op.loc)


def _come(matching: Matching) -> Iterator[Change]:
    """Ops of the second graph only: new, or a part of what one op was."""
    heirs = {layer for op in matching.a for layer in op.loc}
    replaced = {op.loc for op in matching.a if op not in matching.of_a}
    for op in matching.b:
        if op in matching.of_b or (op.loc and op.loc in replaced):
            continue
        kind = "split" if op.loc and set(op.loc) <= heirs else "added"
        yield Change(kind, _short(op), op.loc)


def _between(a: Op, b: Op) -> Iterator[Change]:
    """What differs between an op and its match, its place aside."""
    name = _short(a)
    for one, other in zip(a.results, b.results, strict=False):
        yield from _types(name, one.type, other.type, a.loc)
    for key in a.attribute_specs:
        old, new = a.attribute(key), b.attribute(key)
        if repr(old) != repr(new):
            kind = "layout" if key == "layout" else "attribute"
            yield Change(kind, f"{name}: {key}={old} → {new}", a.loc)
    for index, (x, y) in enumerate(zip(a.operands, b.operands, strict=False)):
        slot = a.operand_name(index)
        yield from _operand(f"{name}: {slot}", x, y, a.loc, quantizes=slot in QUANTIZING)


def _types(
    name: str, old: TensorType, new: TensorType, layers: tuple[str, ...]
) -> Iterator[Change]:
    if old.dtype is not new.dtype:
        yield Change("type", f"{name}: {old.dtype.name} → {new.dtype.name}", layers)
    if old.quant != new.quant:
        yield Change("scale", f"{name}: {old} → {new}", layers)
    if old.dims != new.dims:
        permuted = sorted(map(str, old.dims)) == sorted(map(str, new.dims))
        shown = ["[" + ",".join(map(str, type.dims)) + "]" for type in (old, new)]
        yield Change("layout" if permuted else "shape", f"{name}: {' → '.join(shown)}", layers)


def _operand(
    name: str, old: Value | None, new: Value | None, layers: tuple[str, ...], *, quantizes: bool
) -> Iterator[Change]:
    if isinstance(old, Constant) and isinstance(new, Constant):
        yield from _types(name, old.type, new.type, layers)
        if old.type == new.type and not old.weight.same_as(new.weight):
            kind = "scale" if quantizes else "weights"
            yield Change(kind, f"{name}: {_distance(old, new)}", layers)
    elif (old is None) != (new is None):
        yield Change("operand", f"{name}: {_what(old)} → {_what(new)}", layers)


def _distance(old: Constant, new: Constant) -> str:
    if old.type.elements() == 1:
        return f"{old.array.item()} → {new.array.item()}"
    a, b = (constant.array.astype(np.float64) for constant in (old, new))
    with np.errstate(invalid="ignore"):
        apart = np.abs(a - b)
    return f"{int(np.count_nonzero(apart))} of {a.size} differ, by {np.nanmax(apart):.3g} at most"


def _rewired(matching: Matching) -> Iterator[Change]:
    """Matched ops that read something else than the match of what they read."""
    for a, b in matching.of_a.items():
        for index, (x, y) in enumerate(zip(a.operands, b.operands, strict=False)):
            if x is None or y is None or (isinstance(x, Constant) and isinstance(y, Constant)):
                continue
            if _same_place(x, y, matching):
                continue
            where = f"{_short(a)}: {a.operand_name(index)}"
            yield Change("operand", f"{where}: {_what(x)} → {_what(y)}", a.loc)


def _same_place(x: Value, y: Value, matching: Matching) -> bool:
    """A name always stands for the same numbers, whoever makes them."""
    if x.hint and x.hint == y.hint:
        return True
    if x.producer is None or y.producer is None:
        return False
    return matching.of_a.get(x.producer) is y.producer and x.index == y.index


def _moved(matching: Matching) -> Iterator[Change]:
    """Matched ops out of the longest run of pairs that kept their order."""
    place = {op: index for index, op in enumerate(matching.b)}
    pairs = [(op, place[matching.of_a[op]]) for op in matching.a if op in matching.of_a]
    kept = longest_increasing([position for _, position in pairs])
    for index, (op, position) in enumerate(pairs):
        if index not in kept:
            yield Change("moved", f"{_short(op)}: from place {index} to {position}", op.loc)


def longest_increasing(numbers: Sequence[int]) -> set[int]:
    """Places of one longest increasing part of a sequence.

    >>> sorted(longest_increasing([0, 3, 1, 2, 4]))
    [0, 2, 3, 4]
    """
    tails: list[int] = []
    ends: list[int] = []
    before: dict[int, int | None] = {}
    for index, number in enumerate(numbers):
        at = bisect_left(tails, number)
        before[index] = ends[at - 1] if at else None
        tails[at:at + 1], ends[at:at + 1] = [number], [index]  # fmt: skip
    found: set[int] = set()
    last = ends[-1] if ends else None
    while last is not None:
        found.add(last)
        last = before[last]
    return found


def _short(op: Op) -> str:
    """An op in few words: its result and class."""
    hint = op.results[0].hint if op.results else ""
    return f"%{hint} {op.op_name}" if hint else print_op(op).splitlines()[0]


def _what(value: Value | None) -> str:
    if value is None:
        return "absent"
    kind = "constant" if isinstance(value, Constant) else "%"
    return f"{kind}{value.hint or '_'}" if kind == "%" else f"constant {value.hint or value.type}"
