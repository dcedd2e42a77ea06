"""How a value may be arranged: its channel axes before its spatial axes, or after them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from math import prod

from edgec.ir import Dim, DimExpr, Ints, TensorType, evaluate, symbols

FIRST, LAST = 0, 1  # channels before the spatial axes, or after them
LAYOUT_NAMES = ("nchw", "nhwc")
NOMINAL = 128  # a symbolic dim, where bytes are compared


@dataclass(frozen=True, slots=True)
class Form:
    """Axis 0 is the batch; ``channels`` axes hold channels, the others are spatial.

    ``last`` says on which side of the spatial axes the channels are written in the model. Splitting
    the channels (a channel shuffle does) makes several channel axes.
    """

    rank: int
    channels: int
    last: bool

    @property
    def written(self) -> int:
        """FIRST or LAST."""
        return LAST if self.last else FIRST

    @property
    def first_block(self) -> int:
        """Number of axes in the block that is written first."""
        return self.rank - 1 - self.channels if self.last else self.channels

    @property
    def perm(self) -> Ints:
        """Dim k of the other arrangement is dim perm[k] of the written one."""
        return _rotation(self.rank, self.first_block)

    @property
    def flipped(self) -> Form:
        """The same tensor, written the other way round."""
        return Form(self.rank, self.channels, not self.last)

    def axis(self, axis: int) -> int:
        """Where an axis lies in the other arrangement; negative ones count from the end."""
        return self.perm.index(axis % self.rank)

    def axes(self, axes: Iterable[int]) -> Ints:
        """Where axes lie in the other arrangement."""
        return tuple(map(self.axis, axes))

    def blocks(self) -> tuple[frozenset[int], frozenset[int], frozenset[int]]:
        """The batch axis, and the axes of the two blocks as they are written."""
        cut = 1 + self.first_block
        return frozenset((0,)), frozenset(range(1, cut)), frozenset(range(cut, self.rank))


def form_of(rank: int, channels: int, last: bool) -> Form | None:
    """The form; None where both arrangements are the same."""
    if channels < 1 or rank - 1 - channels < 1:
        return None
    return Form(rank, channels, last)


def moves(perm: Ints, dims: Sequence[Dim]) -> bool:
    """False when only dims of 1 change their place: such a transpose is a reshape."""
    kept = [axis for axis in perm if dims[axis] != 1]
    return kept != sorted(kept)


def permuted(dims: Sequence[Dim], perm: Ints) -> tuple[Dim, ...]:
    """The dims of a transpose."""
    return tuple(dims[axis] for axis in perm)


def inverse(perm: Ints) -> Ints:
    """The permutation that undoes this one."""
    return tuple(perm.index(axis) for axis in range(len(perm)))


def composed(first: Ints, second: Ints) -> Ints:
    """One transpose by ``first``, then one by ``second``."""
    return tuple(first[axis] for axis in second)


def cost(type: TensorType, perm: Ints) -> int:
    """Bytes that a transpose moves."""
    return nominal_bytes(type) if moves(perm, type.dims) else 0


def nominal_bytes(type: TensorType) -> int:
    """Bytes of a value, each symbol being NOMINAL and each dim at least 1."""
    if type.is_static:
        return type.nbytes()
    dims = [dim if isinstance(dim, int) else _nominal(dim) for dim in type.dims]
    return (prod(dims) * type.dtype.bits + 7) // 8


@cache
def _nominal(dim: DimExpr) -> int:
    return max(evaluate(dim, dict.fromkeys(symbols(dim), NOMINAL)), 1)


@cache
def _rotation(rank: int, by: int) -> Ints:
    return (0, *range(by + 1, rank), *range(1, by + 1))
