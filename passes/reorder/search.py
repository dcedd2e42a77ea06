"""The order of a window with the lowest peak.

A state is the set of tasks that have run. **Exact**: the path over states whose largest step is
smallest, by Dijkstra's algorithm with the maximum in place of the sum; a proof when it ends. **Beam
search** where there are too many states. Both run a chain of tasks at once that leaves no more
alive than there was and nowhere exceeds the peak so far: running it earlier only helps what comes
after, since with more tasks done a task frees at least as much. (Ahn, Lee, Lin, Cheng, Leng and
Park, "Ordering Chaos: Memory-Aware Scheduling of Irregularly Wired Neural Networks for Edge
Devices", 2020, search the same states by dynamic programming.)
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from edgec.passes.reorder.windows import Window

NARROW = 8  # states that the first beam keeps for each number of tasks done
WIDEST = 1000
LONGEST_CHAIN = 16


@dataclass(frozen=True)
class Found:
    """An order of a window's tasks, its peak, and whether no order has a lower one."""

    order: tuple[int, ...]
    peak: int
    proven: bool


@dataclass(frozen=True, slots=True)
class _State:
    """Tasks done and tasks that may run next, bytes alive, the highest step on the way, and the way
    as a linked list."""

    done: int
    ready: int
    alive: int
    peak: int
    last: int = -1
    before: _State | None = None

    @property
    def count(self) -> int:
        return self.done.bit_count()

    @property
    def way(self) -> tuple[int, ...]:
        """The tasks in the order in which they led here."""
        found: list[int] = []
        state: _State | None = self
        while state is not None and state.last >= 0:
            found.append(state.last)
            state = state.before
        return tuple(reversed(found))


def best_order(window: Window, floor: int, effort: int) -> Found:
    """The best order found; the present one when none is better.

    Args:
        floor: lower than that is no better.
        effort: steps that each search may take.
    """
    present = tuple(range(len(window.tasks)))
    peak = window.peak(present)
    floor = max(floor, window.least)
    if peak <= floor:
        return Found(present, peak, proven=True)
    search = _Search(window, floor, effort)
    best, proven = search.exact(peak, effort)
    if not proven:
        best = search.beam(peak)
        if best is not None and best.peak > floor:
            lower, proven = search.exact(best.peak, effort)
            best = lower or best
    if best is None:
        return Found(present, peak, proven)
    return Found(best.way, best.peak, proven or best.peak <= floor)


class _Search:
    def __init__(self, window: Window, floor: int, effort: int) -> None:
        self.effort = effort
        self._window = window
        self._steps = 0
        ready = sum(1 << number for number, task in enumerate(window.tasks) if not task.after)
        self._start = self._settled(_State(0, ready, window.base, floor))

    def exact(self, bound: int, steps: int) -> tuple[_State | None, bool]:
        """The best order, if its peak is lower than ``bound``; and whether the search ended."""
        serial = 0  # states are not compared
        heap = [(self._start.peak, -self._start.count, serial, self._start)]
        lowest = {self._start.done: self._start.peak}
        last = self._steps + steps
        while heap:
            state = heapq.heappop(heap)[-1]
            if state.count == len(self._window.tasks):
                return state, True
            if self._steps > last:
                return None, False
            for following in self._following(state, bound):
                if lowest.get(following.done, bound) > following.peak:
                    lowest[following.done] = following.peak
                    serial += 1
                    heapq.heappush(heap, (following.peak, -following.count, serial, following))
        return None, True

    def beam(self, bound: int) -> _State | None:
        """An order whose peak is lower than ``bound``, by a narrow beam and then by one that is as
        wide as the effort allows."""
        before = self._steps
        best = self._beam(bound, NARROW)
        width = min(NARROW * self.effort // max(self._steps - before, 1), WIDEST)
        wider = self._beam(best.peak if best else bound, width) if width > NARROW else None
        return wider or best

    def _beam(self, bound: int, width: int) -> _State | None:
        waiting: dict[int, dict[int, _State]] = {self._start.count: {self._start.done: self._start}}
        total = len(self._window.tasks)
        for count in range(total):
            states = sorted(waiting.pop(count, {}).values(), key=lambda s: (s.peak, s.alive))
            for state in states[:width]:
                for following in self._following(state, bound):
                    level = waiting.setdefault(following.count, {})
                    known = level.get(following.done)
                    if known is None or following.peak < known.peak:
                        level[following.done] = following
        return min(waiting.get(total, {}).values(), key=lambda s: s.peak, default=None)

    def _following(self, state: _State, bound: int) -> Iterator[_State]:
        """The states one task further (and the tasks that may then run at once)."""
        for number in _bits(state.ready):
            following = self._after(state, number)
            if following.peak < bound:
                yield self._settled(following)

    def _settled(self, state: _State) -> _State:
        """The state after every run of tasks that can only help."""
        looked_at = 0
        while candidates := state.ready & ~looked_at:
            number = (candidates & -candidates).bit_length() - 1
            looked_at |= 1 << number
            following = self._valley(state, number)
            if following is not None:
                looked_at = 0
                state = following
        return state

    def _valley(self, state: _State, number: int) -> _State | None:
        """The state after a chain of tasks, each enabled by the one before, that ends with no more
        alive than there was and never exceeds the peak so far; None when there is none."""
        following = state
        for _ in range(LONGEST_CHAIN):
            known = following.ready
            following = self._after(following, number)
            if following.peak > state.peak:
                return None
            if following.alive <= state.alive:
                return following
            enabled = following.ready & ~known
            if enabled.bit_count() != 1:
                return None
            number = enabled.bit_length() - 1
        return None

    def _after(self, state: _State, number: int) -> _State:
        """The state after one more task."""
        self._steps += 1
        window = self._window
        during, alive = window.run(state.done, state.alive, number)
        done = state.done | 1 << number
        ready = state.ready & ~(1 << number)
        for reader in window.readers[number]:
            if not window.tasks[reader].after & ~done:
                ready |= 1 << reader
        return _State(done, ready, alive, max(state.peak, during), number, state)


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
