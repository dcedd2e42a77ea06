"""Packing bodies into an arena: an offset for each, as few bytes as possible in all.

A body is a set of blocks that move together; a block holds some bytes for some steps. Two bodies
may overlap in memory where no blocks of theirs overlap in time. Packing is NP-hard; every order in
which bodies are placed greedily (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural
Net Inference", 2020) gives an arena, and the search improves the best order by placing earlier what
came to lie on top (Joslin and Clements, "Squeaky Wheel Optimization", 1999).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

STRETCH = 16  # steps: bodies that live far apart are never compared
MOST_PLACED = 60_000  # bodies placed in all orders together; the first order always runs
MOST_ROUNDS = 400


@dataclass(frozen=True, slots=True)
class Block:
    """``size`` bytes from ``offset`` in the body, from step ``begin`` to ``end``."""

    offset: int
    size: int
    begin: int
    end: int


Body = Sequence[Block]
_Near = list[tuple[int, int, int]]  # another body, and the distances between which it is in the way


@dataclass(frozen=True)
class Packing:
    """The offset of each body, and the bytes of the arena."""

    offsets: list[int]
    bytes: int


def pack(bodies: Sequence[Body], alignment: int, bound: int, *, search: bool) -> Packing:
    """Offsets for all bodies.

    Args:
        bound: no arena can be smaller; the search ends when it is met.
        search: try several orders and improve the best one; otherwise only by decreasing size.
    """
    packer = _Packer(bodies, alignment)
    best: Packing | None = None
    tried = 0
    for order, snug in _candidates(bodies):
        found = packer.place(order, snug=snug)
        tried += len(bodies)
        if best is None or found.bytes < best.bytes:
            best, start = found, (order, snug)
        if not search or best.bytes <= bound or tried > MOST_PLACED:
            return best
    assert best is not None, "there is at least one candidate"
    return _improved(packer, best, *start, bound, MOST_PLACED - tried)


def _improved(
    packer: _Packer, best: Packing, order: list[int], snug: bool, bound: int, budget: int
) -> Packing:
    """What is on top is placed earlier in the next round, which starts from the last round's order,
    now and then from the best one's."""
    shuffle = random.Random(0)
    current, start = best, order
    for round in range(min(MOST_ROUNDS, budget // max(len(order), 1))):
        rank = {body: float(place) for place, body in enumerate(order)}
        for body in packer.on_top(current):
            rank[body] -= shuffle.uniform(0, len(order) / 2) + 1
        order = sorted(order, key=rank.__getitem__)
        current = packer.place(order, snug=snug if round % 3 else not snug)
        if current.bytes < best.bytes:
            best, start = current, order
        if best.bytes <= bound:
            break
        if round % 20 == 19:
            order, current = start, best
    return best


def _candidates(bodies: Sequence[Body]) -> Iterator[tuple[list[int], bool]]:
    """Orders, and whether each body takes the tightest gap instead of the lowest one."""
    largest = [max((b.size for b in body), default=0) for body in bodies]
    area = [sum(b.size * (b.end - b.begin + 1) for b in body) for body in bodies]
    extent = [max((b.offset + b.size for b in body), default=0) for body in bodies]
    born = [min((b.begin for b in body), default=0) for body in bodies]
    dies = [max((b.end for b in body), default=0) for body in bodies]
    keys: list[Callable[[int], tuple[int, ...]]] = [
        lambda i: (-largest[i], born[i]),
        lambda i: (-area[i], born[i]),
        lambda i: (-extent[i], born[i] - dies[i]),
        lambda i: (born[i] - dies[i], -largest[i]),
        lambda i: (born[i], -largest[i]),
        lambda i: (-dies[i], -largest[i]),
    ]
    for key in keys:
        order = sorted(range(len(bodies)), key=key)
        yield order, False
        yield order, True


class _Packer:
    """Places bodies in a given order."""

    def __init__(self, bodies: Sequence[Body], alignment: int) -> None:
        self._bodies = bodies
        self._alignment = alignment
        self._tops = [max((b.offset + b.size for b in body), default=0) for body in bodies]
        self._stretches: dict[int, list[int]] = {}
        for number, body in enumerate(bodies):
            for stretch in dict.fromkeys(s for block in body for s in _stretches(block)):
                self._stretches.setdefault(stretch, []).append(number)
        self._near: dict[int, _Near] = {}

    def place(self, order: Sequence[int], *, snug: bool) -> Packing:
        offsets = [-1] * len(self._bodies)
        for number in order:
            taken = sorted(
                (offsets[other] + low, offsets[other] + high)
                for other, low, high in self._neighbours(number)
                if offsets[other] >= 0
            )
            offsets[number] = self._tightest(taken) if snug else self._lowest(taken)
        top = max((o + t for o, t in zip(offsets, self._tops, strict=True)), default=0)
        return Packing(offsets, top)

    def on_top(self, packing: Packing) -> list[int]:
        """The bodies that reach the end of the arena."""
        return [
            number
            for number, (offset, top) in enumerate(zip(packing.offsets, self._tops, strict=True))
            if offset + top == packing.bytes
        ]

    def _lowest(self, taken: Sequence[tuple[int, int]]) -> int:
        offset = 0
        for low, high in taken:
            if low >= offset:
                break
            offset = max(offset, self._aligned(high))
        return offset

    def _tightest(self, taken: Sequence[tuple[int, int]]) -> int:
        offset, best, slack = 0, -1, -1
        for low, high in taken:
            if low >= offset and (best < 0 or low - offset < slack):
                best, slack = offset, low - offset
            offset = max(offset, self._aligned(high))
        return offset if best < 0 else best

    def _aligned(self, offset: int) -> int:
        return -(-offset // self._alignment) * self._alignment

    def _neighbours(self, number: int) -> _Near:
        """Between which offsets, relative to that of another body, this one may not lie."""
        known = self._near.get(number)
        if known is None:
            known = self._near[number] = list(self._conflicts(number))
        return known

    def _conflicts(self, number: int) -> Iterator[tuple[int, int, int]]:
        body = self._bodies[number]
        stretches = dict.fromkeys(s for block in body for s in _stretches(block))
        near = dict.fromkeys(n for s in stretches for n in self._stretches[s])
        near.pop(number, None)
        for other in near:
            for theirs in self._bodies[other]:
                for own in body:
                    if own.begin <= theirs.end and theirs.begin <= own.end:
                        low = theirs.offset - own.offset - own.size
                        yield other, low, theirs.offset + theirs.size - own.offset


def _stretches(block: Block) -> range:
    return range(block.begin // STRETCH, block.end // STRETCH + 1) if block.size else range(0)
