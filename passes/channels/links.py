"""Slices of axes as nodes, and what ties them: the table that the families of rules fill.

A node is one index of one axis of one value. A rule ties the slices of what an op reads and makes
that can only be removed together; an axis that it leaves out cannot lose any slice there, and is
pinned. Nothing has to be said of ops that are elementwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgec.ir import Constant, Dim, Elementwise, Op, Refusal, RuleTable, Value
from edgec.ir.ops import Dequantize

Indices: TypeAlias = NDArray[np.int64]


class Axis(NamedTuple):
    """One axis of one value."""

    value: Value
    number: int


class Links:
    """The nodes and ties of a graph, while they are gathered."""

    def __init__(self, *, stored: bool = False) -> None:
        self.begin: dict[Axis, int] = {}
        self.count = 0
        self.pairs: list[tuple[Indices, Indices]] = []
        self.pinned: dict[Axis, str] = {}
        self.live: set[Axis] = set()  # axes whose slices some layer computes from rows of weights
        self.sources: dict[Axis, Op] = {}
        self.why: list[tuple[Axis, Axis, Op]] = []
        self._touched: set[Axis] = set()
        self._stored = stored
        self._op: Op | None = None

    # -- what rules say ---------------------------------------------------------------------------

    def same(self, a: Value, i: int, b: Value, j: int) -> None:
        """Axis i of a and axis j of b have the same slices, in the same order."""
        size = _static(a.type.dims[i])
        other = _static(b.type.dims[j])
        if size is None or size != other:
            return  # of unknown length, or broadcast: there is nothing to remove
        every = np.arange(size)
        self.tie(a, i, every, b, j, every)

    def tie(self, a: Value, i: int, at: Indices, b: Value, j: int, bt: Indices) -> None:
        """Slice at[k] of axis i of a goes with slice bt[k] of axis j of b, for each k."""
        one, other = Axis(a, i), Axis(b, j)
        self.touch(a, i)
        self.touch(b, j)
        self.pairs.append((self._nodes(one) + at, self._nodes(other) + bt))
        assert self._op is not None, "ties are an op's"
        self.why.append((one, other, self._op))
        if one in self.live or other in self.live:
            self.live |= {one, other}

    def touch(self, value: Value, axis: int) -> None:
        """Slices of this axis may be removed as far as the op is concerned."""
        self._touched.add(Axis(value, axis))

    def source(self, weights: Value, i: int, result: Value, j: int) -> None:
        """Rows of these weights compute the slices of a result: they are what can be pruned."""
        self.live.add(Axis(result, j))
        if self._stored and isinstance(weights.producer, Dequantize):
            weights = weights.producer.x
        if isinstance(weights, Constant):
            assert self._op is not None, "sources are an op's"
            self.sources[Axis(weights, i)] = self._op

    # -- gathering --------------------------------------------------------------------------------

    def visit(self, op: Op, rule: Callable[[Any, Links], None] | None, why: str) -> None:
        """Take the ties of an op in; without a rule everything that it reads or makes is pinned."""
        self._op, self._touched = op, set()
        if rule is not None:
            rule(op, self)
        for value in (*op.present_operands, *op.results):
            for number in range(value.type.rank):
                if Axis(value, number) not in self._touched:
                    self.pin(value, number, why)

    def pin(self, value: Value, axis: int, why: str) -> None:
        """No slice of this axis can be removed."""
        if _static(value.type.dims[axis]) not in (None, 1):
            self.pinned.setdefault(Axis(value, axis), why)

    def _nodes(self, axis: Axis) -> int:
        if axis not in self.begin:
            self.begin[axis] = self.count
            self.count += _static(axis.value.type.dims[axis.number]) or 0
        return self.begin[axis]


ChannelRule: TypeAlias = Callable[[Any, Links], None]
Removed: TypeAlias = Mapping[Axis, Indices]


def _load() -> None:
    from importlib import import_module

    for family in ("layers", "movement", "axes"):
        import_module(f"edgec.passes.channels.rules_{family}")


CHANNELS: RuleTable[ChannelRule] = RuleTable("channels", _load)


def rule_of(op: Op) -> ChannelRule | Refusal:
    """The op's own rule, or that of its traits."""
    found = CHANNELS.get(type(op))
    if isinstance(found, Refusal) and op.has(Elementwise) and len(op.results) == 1:
        return elementwise
    return found


def elementwise(op: Op, links: Links) -> None:
    """Every axis goes along; operands of a lower rank have leading dims of 1."""
    result = op.result
    for value in op.present_operands:
        shift = result.type.rank - value.type.rank
        for axis in range(value.type.rank):
            links.same(value, axis, result, axis + shift)
    for axis in range(result.type.rank):
        links.touch(result, axis)


def _static(dim: Dim) -> int | None:
    return dim if isinstance(dim, int) else None
