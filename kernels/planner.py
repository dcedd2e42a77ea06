"""Placing results in one arena by their lifetimes.

The arena is packed greedily by decreasing size (Pisarchyk and Lee, "Efficient Memory Management for
Deep Neural Net Inference", 2020): each buffer takes the lowest offset at which it overlaps no
buffer that is alive at the same time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgec.ir import DimError, Graph, Value, evaluate
from edgec.ir.ops import Reshape

STRETCH = 64  # steps: what lives far apart is never compared
ALIGNMENT = 64  # bytes: a cache line, and the widest vector


@dataclass(frozen=True)
class Slot:
    """Where a value lies: bytes offset…offset + size, alive from step ``begin`` to ``end``."""

    offset: int
    size: int
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Plan:
    """Offsets of all planned values.

    Attributes:
        slots: place of each result whose size is known beforehand.
        views: results that lie in the place of their operand (reshape).
        arena_bytes: size of the arena.
        peak_bytes: largest sum of values alive at one step (inputs included, weights not): no
            arena for this order can be smaller.
        peak_step: number of the op at which the peak is reached.
    """

    slots: Mapping[Value, Slot] = field(default_factory=dict)
    views: frozenset[Value] = frozenset()
    arena_bytes: int = 0
    peak_bytes: int = 0
    peak_step: int = 0


@dataclass
class _Life:
    value: Value
    size: int
    shape: tuple[int, ...]
    begin: int
    end: int


def plan_buffers(graph: Graph, symbols: Mapping[str, int]) -> Plan:
    """The plan for one binding of the graph's symbols; values of unknown size are left out."""
    views = {op.result: op.operands[0] for op in graph.ops_of(Reshape)}
    roots = {value: _root(value, views) for value in views}
    lives = _lives(graph, symbols, roots)
    peak, step = _peak(lives)
    results = [life for life in lives if life.begin >= 0]
    offsets = _pack(results)
    slots = {
        life.value: Slot(offset, life.size, life.shape, life.begin, life.end)
        for life, offset in zip(results, offsets, strict=True)
    }
    arena = max((slot.offset + slot.size for slot in slots.values()), default=0)
    return Plan(slots, frozenset(roots), arena, peak, step)


def _root(value: Value, views: Mapping[Value, Value | None]) -> Value:
    """The value in whose place ``value`` lies."""
    while (source := views.get(value)) is not None:
        value = source
    return value


def last_reads(graph: Graph, roots: Mapping[Value, Value]) -> dict[Value, int]:
    """The step that reads each value last; a read of a view is a read of its root."""
    last: dict[Value, int] = {}
    step = -1
    for step, op in enumerate(graph.ops):
        inner = [value for region in op.regions for value in region.free_values]
        for value in (*op.present_operands, *inner):
            last[roots.get(value, value)] = step
    for value in graph.outputs:
        last[roots.get(value, value)] = step + 1
    return last


def _lives(graph: Graph, symbols: Mapping[str, int], roots: Mapping[Value, Value]) -> list[_Life]:
    """Lifetimes in steps; graph inputs live from before the first step (-1) to the end."""
    ops = list(graph.ops)
    last = last_reads(graph, roots)
    lives: list[_Life] = []
    births = [(value, -1) for value in graph.inputs]
    births += [(result, step) for step, op in enumerate(ops) for result in op.results]
    for value, begin in births:
        shape = _shape(value, symbols)
        if shape is None or value in roots:
            continue
        size = value.type.dtype.numpy.itemsize
        for dim in shape:
            size *= dim
        end = len(ops) if begin < 0 else last.get(value, begin)
        lives.append(_Life(value, size, shape, begin, end))
    return lives


def _shape(value: Value, symbols: Mapping[str, int]) -> tuple[int, ...] | None:
    static = value.type.static_dims
    if static is not None:
        return static
    try:
        return tuple(evaluate(dim, symbols) for dim in value.type.dims)
    except DimError:
        return None


def _peak(lives: list[_Life]) -> tuple[int, int]:
    changes: dict[int, int] = {}
    for life in lives:
        changes[life.begin] = changes.get(life.begin, 0) + life.size
        changes[life.end + 1] = changes.get(life.end + 1, 0) - life.size
    alive = peak = at = 0
    for step in sorted(changes):
        alive += changes[step]
        if alive > peak:
            peak, at = alive, step
    return peak, at


def _pack(lives: list[_Life]) -> list[int]:
    order = sorted(range(len(lives)), key=lambda i: (-lives[i].size, lives[i].begin))
    offsets = [0] * len(lives)
    placed: dict[int, list[int]] = {}  # by the stretches of steps through which they live
    for index in order:
        life = lives[index]
        if not life.size:
            continue
        stretches = range(life.begin // STRETCH, life.end // STRETCH + 1)
        near = {other for stretch in stretches for other in placed.get(stretch, ())}
        busy = sorted(
            (offsets[other], offsets[other] + _aligned(lives[other].size))
            for other in near
            if lives[other].begin <= life.end and life.begin <= lives[other].end
        )
        offset = 0
        for begin, end in busy:
            if begin - offset >= life.size:
                break
            offset = max(offset, end)
        offsets[index] = offset
        for stretch in stretches:
            placed.setdefault(stretch, []).append(index)
    return offsets


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
