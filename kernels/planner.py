"""Placing results in one arena by their lifetimes.

The executor writes results where the plan says; the same plan tells how large an arena a
microcontroller needs, and which tensors make it so.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from edgec.ir import Graph, Op, Value
from edgec.kernels.liveness import EXECUTOR_MEMORY, Life, Memory, lives_of
from edgec.kernels.packing import Block, Body, pack
from edgec.kernels.sharing import Ties


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
        slots: place of each value whose size is known beforehand.
        views: reshapes, which are their operand in other dims; some are views of what lies outside
            the arena and have no slot.
        over: in whose place a value lies, by value.
        inner: bytes that the regions of an op need besides, while it runs, with their offset.
        curve: bytes alive at each step, from step -1 (inputs) to the one after the last op.
        arena_bytes: size of the arena.
    """

    slots: Mapping[Value, Slot] = field(default_factory=dict)
    views: frozenset[Value] = frozenset()
    over: Mapping[Value, Value] = field(default_factory=dict)
    inner: Mapping[Op, tuple[int, int]] = field(default_factory=dict)
    curve: tuple[int, ...] = (0,)
    arena_bytes: int = 0

    @property
    def peak_bytes(self) -> int:
        """Most bytes alive at one step: no arena for this order and sharing can be smaller."""
        return max(self.curve)

    @property
    def peak_step(self) -> int:
        """The first step with that many bytes."""
        return self.curve.index(self.peak_bytes) - 1


def plan_buffers(
    graph: Graph,
    symbols: Mapping[str, int],
    memory: Memory = EXECUTOR_MEMORY,
    *,
    order: Sequence[Op] | None = None,
    search: bool = False,
) -> Plan:
    """The plan for one binding of the graph's symbols; values of unknown size are left out.

    Args:
        memory: what the runtime shares and how it aligns.
        order: another legal order of the graph's ops.
        search: look for the smallest arena; otherwise one greedy pass.
    """
    order = list(graph.ops) if order is None else order
    lives = lives_of(graph, symbols, memory, order)
    ties = Ties(lives, memory, order)
    values = list(ties.bodies())
    bodies = [_blocks(body, lives) for body in values]
    inner = list(_inner(order, symbols, memory, search=search))
    bodies += [[Block(0, size, step, step)] for _, step, size in inner]
    curve = _curve(bodies, len(order))
    packing = pack(bodies, memory.alignment, max(curve), search=search)
    slots = {
        lives[number].value: _slot(lives[number], base + offset)
        for body, base in zip(values, packing.offsets, strict=False)
        for number, offset in body.items()
    }
    inner_offsets = packing.offsets[len(values) :]
    return Plan(
        slots=slots,
        views=frozenset(ties.outside | ties.reshapes),
        over=ties.over,
        inner={op: (o, s) for (op, _, s), o in zip(inner, inner_offsets, strict=True)},
        curve=tuple(curve),
        arena_bytes=packing.bytes,
    )


def peak_of(
    graph: Graph, symbols: Mapping[str, int], memory: Memory, order: Sequence[Op] | None = None
) -> int:
    """The largest sum of bytes alive at one step, without placing anything."""
    order = list(graph.ops) if order is None else order
    lives = lives_of(graph, symbols, memory, order)
    bodies = [_blocks(body, lives) for body in Ties(lives, memory, order).bodies()]
    inner = _inner(order, symbols, memory, search=False)
    bodies += [[Block(0, size, step, step)] for _, step, size in inner]
    return max(_curve(bodies, len(order)))


def _inner(
    order: Sequence[Op], symbols: Mapping[str, int], memory: Memory, *, search: bool
) -> Iterator[tuple[Op, int, int]]:
    """Ops with regions, their steps, and the largest arena that one of their regions needs. The
    executor gives regions memory of their own, which is not in its arena."""
    if not memory.holds_inputs:
        return
    for step, op in enumerate(order):
        plans = [plan_buffers(region, symbols, memory, search=search) for region in op.regions]
        size = max((plan.arena_bytes for plan in plans), default=0)
        if size:
            yield op, step, size


def _slot(life: Life, offset: int) -> Slot:
    return Slot(offset, life.size, life.shape, life.begin, life.end)


def _blocks(body: Mapping[int, int], lives: Sequence[Life]) -> Body:
    """The bytes and steps that a body takes, as blocks that do not overlap."""
    if len(body) == 1:
        [(number, offset)] = body.items()
        life = lives[number]
        return [Block(offset, life.size, life.begin, life.end)] if life.size else []
    ranges = {(offset, offset + lives[number].size) for number, offset in body.items()}
    cuts = sorted({cut for one in ranges for cut in one})
    blocks: list[Block] = []
    open_blocks: dict[tuple[int, int], Block] = {}  # end at the cut, by first and last step
    for low, high in itertools.pairwise(cuts):
        spans = [
            (lives[number].begin, lives[number].end)
            for number, offset in body.items()
            if offset <= low and high <= offset + lives[number].size
        ]
        here: dict[tuple[int, int], Block] = {}
        for begin, end in _merged(spans):
            before = open_blocks.pop((begin, end), None)
            start = low if before is None else before.offset
            here[begin, end] = Block(start, high - start, begin, end)
        blocks += open_blocks.values()
        open_blocks = here
    return blocks + list(open_blocks.values())


def _merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The union of spans of steps, as spans that neither overlap nor touch."""
    found: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def _curve(bodies: Sequence[Body], ops: int) -> list[int]:
    """Bytes alive at each step from -1 to ``ops``."""
    changes = [0] * (ops + 3)
    for body in bodies:
        for block in body:
            changes[block.begin + 1] += block.size
            changes[block.end + 2] -= block.size
    found: list[int] = []
    alive = 0
    for change in changes[:-1]:
        alive += change
        found.append(alive)
    return found
