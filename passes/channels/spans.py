"""How the axes of a reshape correspond: runs of axes with the same number of elements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from edgec.ir import Dim


@dataclass(frozen=True)
class Span:
    """Axes before and after that hold the same elements in the same order, and no fewer do."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    before_sizes: tuple[int, ...]
    after_sizes: tuple[int, ...]

    @property
    def size(self) -> int:
        return prod(self.before_sizes)


def spans(before: Sequence[Dim], after: Sequence[Dim]) -> Iterator[Span]:
    """The spans of known length. Symbolic dims pair up with equal ones; where they merge with
    others nothing is said of those."""
    i = j = 0
    while i < len(before) and j < len(after):
        if before[i] == after[j]:
            yield from _single(before[i], i, j)
            i, j = i + 1, j + 1
            continue
        begin, end = i, j
        left, right = before[i], after[j]
        i, j = i + 1, j + 1
        while isinstance(left, int) and isinstance(right, int) and left != right:
            if left < right:
                if i == len(before):
                    return
                left, i = _times(left, before[i]), i + 1
            else:
                if j == len(after):
                    return
                right, j = _times(right, after[j]), j + 1
        if not (isinstance(left, int) and isinstance(right, int)):
            return
        yield Span(
            tuple(range(begin, i)),
            tuple(range(end, j)),
            _ints(before[begin:i]),
            _ints(after[end:j]),
        )


def _single(dim: Dim, i: int, j: int) -> Iterator[Span]:
    if isinstance(dim, int):
        yield Span((i,), (j,), (dim,), (dim,))


def _times(a: int, b: Dim) -> Dim:
    return a * b


def _ints(dims: Sequence[Dim]) -> tuple[int, ...]:
    return tuple(dim for dim in dims if isinstance(dim, int))
