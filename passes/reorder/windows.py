"""Parts of an order that can be improved one by one.

An op that depends on all ops before it, and on which all ops after it depend, stands at the same
place in every legal order. Between two such ops the order is a problem of its own: a **window**.
Larger windows are cut into pieces of ``LARGEST`` ops in the present order.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import or_

from edgec.passes.reorder.model import MemoryModel

LARGEST = 400


@dataclass(frozen=True)
class Task:
    """An op in a window. Sets of ops are bit masks over the window.

    Attributes:
        after: the ops of the window that it waits for.
        born: bytes that it makes.
        inner: bytes that it needs only while it runs.
        dies: sizes of the pieces that may die with it, each with the ops that read it.
        over: sizes of what it may write over, each with the readers of all pieces of that.
        least: bytes that are alive while it runs in any order.
    """

    after: int
    born: int
    inner: int
    dies: tuple[tuple[int, int], ...]
    over: tuple[tuple[int, int], ...]
    least: int


@dataclass(frozen=True)
class Window:
    """Ops ``begin`` and following of the order; ``base`` bytes are alive before them. It is ``cut``
    when it is only a piece of a larger window."""

    begin: int
    tasks: tuple[Task, ...]
    base: int
    cut: bool

    @cached_property
    def readers(self) -> list[list[int]]:
        """The tasks that wait for each task."""
        found: list[list[int]] = [[] for _ in self.tasks]
        for number, task in enumerate(self.tasks):
            for before in range(number):
                if task.after >> before & 1:
                    found[before].append(number)
        return found

    @property
    def least(self) -> int:
        """No order has a lower peak."""
        return max(task.least for task in self.tasks)

    def run(self, done: int, alive: int, number: int) -> tuple[int, int]:
        """Bytes while a task runs after the tasks ``done``, and bytes alive after it."""
        task = self.tasks[number]
        bit = 1 << number
        missing = ~(done | bit)
        alive += task.born
        saved = max((size for size, readers in task.over if not readers & missing), default=0)
        freed = sum(size for size, readers in task.dies if not readers & missing)
        return alive + task.inner - saved, alive - freed

    def peak(self, order: Sequence[int]) -> int:
        """Most bytes at once in that order of the tasks."""
        done, alive, highest = 0, self.base, 0
        for number in order:
            during, alive = self.run(done, alive, number)
            done |= 1 << number
            highest = max(highest, during)
        return highest


def windows_of(model: MemoryModel) -> list[Window]:
    """The windows of the present order, first to last."""
    found: list[Window] = []
    alive = sum(model.pieces[piece].size for piece in model.given if _is_read(model, piece))
    for begin, end, cut in _ranges(model):
        window = Window(begin, tuple(_tasks(model, begin, end)), alive, cut)
        found.append(window)
        done = 0
        for number in range(end - begin):
            _, alive = window.run(done, alive, number)
            done |= 1 << number
    return found


def _is_read(model: MemoryModel, piece: int) -> bool:
    return bool(model.pieces[piece].readers) or model.pieces[piece].lasts


def _ranges(model: MemoryModel) -> Iterator[tuple[int, int, bool]]:
    ends = [number + 1 for number, fixed in enumerate(_fixed(model)) if fixed]
    begin = 0
    for end in dict.fromkeys([*ends, len(model.nodes)]):
        for first in range(begin, end, LARGEST):
            yield first, min(first + LARGEST, end), end - begin > LARGEST
        begin = end


def _fixed(model: MemoryModel) -> list[bool]:
    """For each op, whether it is related to all others."""
    count = len(model.nodes)
    first_reader = [count] * count
    for number, node in enumerate(model.nodes):
        for producer in node.after:
            first_reader[producer] = min(first_reader[producer], number)
    last_needed = [max(node.after, default=-1) for node in model.nodes]
    below = [True] * count  # every op after it waits for it
    lowest = count
    for number in reversed(range(count)):
        below[number] = lowest >= number
        lowest = min(lowest, last_needed[number])
    fixed: list[bool] = []
    highest = -1
    for number in range(count):
        fixed.append(below[number] and highest <= number)
        highest = max(highest, first_reader[number])
    return fixed


def _tasks(model: MemoryModel, begin: int, end: int) -> Iterator[Task]:
    sizes = [piece.size for piece in model.pieces]
    for number in range(begin, end):
        node = model.nodes[number]
        readers = {p: _readers(model, p, begin, end) for p in sorted({*node.reads, *node.born})}
        over: list[tuple[int, int]] = []
        for whole in node.over:
            masks = [mask for p in whole if (mask := readers[p]) is not None]
            if len(masks) == len(whole):
                over.append((sum(sizes[p] for p in whole), functools.reduce(or_, masks, 0)))
        saved = max((size for size, _ in over), default=0)
        yield Task(
            after=sum(1 << (other - begin) for other in node.after if other >= begin),
            born=sum(sizes[p] for p in node.born),
            inner=node.inner,
            dies=tuple((sizes[p], mask) for p, mask in readers.items() if mask is not None),
            over=tuple(over),
            least=sum(sizes[p] for p in readers) + node.inner - saved,
        )


def _readers(model: MemoryModel, piece: int, begin: int, end: int) -> int | None:
    """The readers of a piece in the window; None when it outlives the window."""
    one = model.pieces[piece]
    if one.lasts or any(reader >= end for reader in one.readers):
        return None
    return sum(1 << (reader - begin) for reader in one.readers if reader >= begin)
