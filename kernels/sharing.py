"""Which results lie in the place of operands.

A **tie** puts a value at a fixed distance from another one, so that an op has nothing to copy, or
writes over what it reads:

    reshape                 the result is the operand
    split, slice            a result is a part of the operand, where it is contiguous
    concat                  an operand is a part of the result, where it is contiguous
    elementwise             the result is written over an operand of its size that dies

Tied values form a **body**, which the packer moves as a whole. A tie is legal when no two values of
the body that overlap in memory and in time differ: either they hold the same bytes there, or one is
read for the last time by the op that writes the other over it, element by element.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgec.ir import Elementwise, Op, Value
from edgec.ir.ops import BatchNorm, Reshape
from edgec.kernels.liveness import Life, Memory
from edgec.kernels.views import Contents, cut

MOST_PAIRS = 100_000  # of values, that one tie may take to be tested


@dataclass(eq=False)
class _Body:
    """Tied values, by their index, with offsets from the first of them. ``late`` are those that a
    value which is born now could still disturb."""

    offsets: dict[int, int]
    late: list[int]


class Ties:
    """The bodies of a graph's values, each known by its index in ``lives``.

    Attributes:
        over: in whose place a value lies.
        reshapes: results that are their operand in other dims.
        outside: views of what does not lie in the arena.
    """

    def __init__(self, lives: Sequence[Life], memory: Memory, order: Sequence[Op]) -> None:
        self.over: dict[Value, Value] = {}
        self.reshapes: set[Value] = set()
        self.outside: set[Value] = set()
        self._lives = lives
        self._memory = memory
        self._index = {life.value: number for number, life in enumerate(lives)}
        self._bodies = [_Body({number: 0}, [number]) for number in range(len(lives))]
        self._contents = Contents(self._shape, self._size)
        if memory.sharing != "none":
            for step, op in enumerate(order):
                self._tie(op, step)

    def bodies(self) -> Iterator[Mapping[int, int]]:
        """Each body: its values with their offsets in it, the smallest of which is 0."""
        inside = [self._bodies[number] for number in self._index.values()]
        for body in dict.fromkeys(inside):
            low = min(body.offsets.values())
            yield {number: offset - low for number, offset in body.offsets.items()}

    # -- which ties an op would like --------------------------------------------------------------

    def _tie(self, op: Op, step: int) -> None:
        if isinstance(op, Reshape):
            self._tie_reshape(op, step)
        elif self._memory.sharing != "all":
            return
        elif op.has(Elementwise) or isinstance(op, BatchNorm):
            self._tie_in_place(op, step)
        else:
            self._tie_parts(op, step)

    def _tie_reshape(self, op: Reshape, step: int) -> None:
        if op.x not in self._index:
            self._index.pop(op.result, None)
            self.outside.add(op.result)
            return
        self._contents.learn_reshape(op)
        if op.result in self._index and self._join(op.x, op.result, 0, step):
            self.over[op.result] = op.x
            self.reshapes.add(op.result)

    def _tie_parts(self, op: Op, step: int) -> None:
        places = self._contents.learn_parts(op)
        for whole, part, offset in sorted(places, key=lambda one: -self._size(one[1])):
            if offset % self._memory.alignment or not self._index.keys() >= {whole, part}:
                continue
            if self._join(whole, part, offset, step):
                self.over[part] = whole

    def _tie_in_place(self, op: Op, step: int) -> None:
        """The operand that is least tied comes first: the others are less free to move."""
        fitting = [x for x in dict.fromkeys(op.present_operands) if self._fits(x, op, step)]
        fitting.sort(key=lambda x: len(self._bodies[self._index[x]].offsets))
        for x in fitting:
            if self._join(x, op.result, 0, step):
                self.over[op.result] = x
                return

    def _fits(self, x: Value, op: Op, step: int) -> bool:
        if x not in self._index or op.result not in self._index:
            return False
        life, result = self._lives[self._index[x]], self._lives[self._index[op.result]]
        return life.end == step and life.shape == result.shape and life.size == result.size

    def _shape(self, value: Value) -> tuple[int, ...] | None:
        number = self._index.get(value)
        return value.type.static_dims if number is None else self._lives[number].shape

    def _size(self, value: Value) -> int:
        number = self._index.get(value)
        return value.type.nbytes() if number is None else self._lives[number].size

    # -- whether a tie is legal -------------------------------------------------------------------

    def _join(self, a: Value, b: Value, distance: int, step: int) -> bool:
        """Put ``b`` at that distance from ``a``, if that is legal."""
        first, second = self._index[a], self._index[b]
        into, moved = self._bodies[first], self._bodies[second]
        shift = into.offsets[first] + distance - moved.offsets[second]
        if into is moved:
            return shift == 0
        if len(moved.offsets) > len(into.offsets):
            into, moved, shift = moved, into, -shift
        if not self._legal(into, moved, shift, step):
            return False
        for number, offset in moved.offsets.items():
            into.offsets[number] = offset + shift
            self._bodies[number] = into
        into.late += moved.late
        return True

    def _legal(self, into: _Body, moved: _Body, shift: int, step: int) -> bool:
        born_now = min(self._lives[number].begin for number in moved.offsets) >= step
        if born_now:
            into.late = [n for n in into.late if self._lives[n].end >= step]
        others = into.late if born_now else list(into.offsets)
        if len(others) * len(moved.offsets) > MOST_PAIRS:
            return False
        return all(
            self._compatible(one, into.offsets[one], other, offset + shift)
            for other, offset in moved.offsets.items()
            for one in others
        )

    def _compatible(self, one: int, at: int, other: int, other_at: int) -> bool:
        a, b = self._lives[one], self._lives[other]
        low, high = max(at, other_at), min(at + a.size, other_at + b.size)
        if low >= high or a.begin > b.end or b.begin > a.end:
            return True
        if a.end == b.begin and at == other_at and self._overwrites(a, b):
            return True
        if b.end == a.begin and at == other_at and self._overwrites(b, a):
            return True
        held, other_held = self._contents.of(a.value), self._contents.of(b.value)
        size = high - low
        return cut(held, low - at, size) == cut(other_held, low - other_at, size)

    def _overwrites(self, old: Life, new: Life) -> bool:
        """Whether ``new`` is written element by element over ``old``, which is read last then."""
        op = new.value.producer
        if op is None or not (op.has(Elementwise) or isinstance(op, BatchNorm)):
            return False
        return old.shape == new.shape and old.size == new.size
