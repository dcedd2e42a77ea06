"""Searching a sequence of states for the first broken one."""

from __future__ import annotations

from collections.abc import Callable

Broken = Callable[[int], bool]


def first_broken(broken: Broken, good: int, bad: int) -> int:
    """A state n with ``broken(n)`` and not ``broken(n - 1)``, by halving between a good state and a
    broken one after it."""
    while bad - good > 1:
        middle = (good + bad) // 2
        if broken(middle):
            bad = middle
        else:
            good = middle
    return bad


def gallop(broken: Broken, last: int | None = None) -> int:
    """As ``first_broken``, for state 0 that is good; doubles its step until something is broken.
    Good for sequences of unknown length whose end is broken (``last`` when it is known)."""
    good, step = 0, 1
    while last is None or step < last:
        if broken(step):
            return first_broken(broken, good, step)
        good, step = step, 2 * step
    return first_broken(broken, good, last)
