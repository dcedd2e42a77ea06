"""Values that share one grid: union-find with at most one given grid per set."""

from __future__ import annotations

from collections.abc import Iterable

from edgec.ir import Grid, Range, Value
from edgec.passes.quantize.grids import union


class Ties:
    """Sets of values that are stored on the same grid.

    A set has a grid that is given (by the model or by the target), or follows from the range of
    all its values.
    """

    def __init__(self) -> None:
        self._parent: dict[Value, Value] = {}
        self._range: dict[Value, Range] = {}
        self._given: dict[Value, Grid] = {}
        self._size: dict[Value, int] = {}

    def add(self, value: Value) -> None:
        """Start a set of that value alone."""
        if value in self._parent:
            return
        self._parent[value] = value
        self._size[value] = 1
        if value.range is not None:
            self._range[value] = value.range

    def give(self, value: Value, grid: Grid) -> None:
        """The value's set has that grid, whatever its range is."""
        self.add(value)
        self._given[self.root(value)] = grid

    def root(self, value: Value) -> Value:
        while (parent := self._parent[value]) is not value:
            self._parent[value] = self._parent[parent]
            value = self._parent[value]
        return value

    def given(self, value: Value) -> Grid | None:
        return self._given.get(self.root(value))

    def range(self, value: Value) -> Range | None:
        """Of all values of the set together."""
        return self._range.get(self.root(value))

    def size(self, value: Value) -> int:
        """How many values the set has."""
        return self._size[self.root(value)]

    def tie(self, a: Value, b: Value) -> bool:
        """Put two values into one set; False where they have two different given grids."""
        first, second = self.root(a), self.root(b)
        if first is second:
            return True
        grids = {g for g in (self._given.get(first), self._given.get(second)) if g is not None}
        if len(grids) > 1:
            return False
        self._parent[second] = first
        self._size[first] += self._size[second]
        ranges = [r for r in (self._range.get(first), self._range.get(second)) if r is not None]
        if ranges:
            self._range[first] = union(*ranges)
        if grids:
            self._given[first] = grids.pop()
        return True

    def __contains__(self, value: Value) -> bool:
        return value in self._parent

    @property
    def values(self) -> Iterable[Value]:
        return self._parent
