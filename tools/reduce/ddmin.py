"""Delta debugging: the smallest part of a list that still has a property.

Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE Transactions on
Software Engineering 28(2), 2002, section 3 (the algorithm ddmin).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")


def ddmin(items: Sequence[T], fails: Callable[[list[T]], bool]) -> list[T]:
    """A part of the list, in order, that fails while no part of it with one item less does.

    Args:
        fails: asked about parts of the list, never twice about the same one; true for the whole.

    >>> ddmin(range(100), lambda part: {17, 63} <= set(part))
    [17, 63]
    """
    tried: dict[tuple[int, ...], bool] = {}

    def holds(part: list[int]) -> bool:
        key = tuple(part)
        if key not in tried:
            tried[key] = bool(part) and fails([items[index] for index in part])
        return tried[key]

    found = list(range(len(items)))
    pieces = 2
    while len(found) >= 2:
        parts = _split(found, pieces)
        smaller = next((part for part in parts if holds(part)), None)
        if smaller is not None:
            found, pieces = smaller, 2
            continue
        without = ([i for i in found if i not in set(part)] for part in parts)
        smaller = next((rest for rest in without if holds(rest)), None) if pieces > 2 else None
        if smaller is not None:
            found, pieces = smaller, max(pieces - 1, 2)
        elif pieces < len(found):
            pieces = min(2 * pieces, len(found))
        else:
            break
    return [items[index] for index in found]


def _split(items: list[int], pieces: int) -> list[list[int]]:
    bounds = [len(items) * index // pieces for index in range(pieces + 1)]
    return [items[a:b] for a, b in pairwise(bounds) if a < b]
