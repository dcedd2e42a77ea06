"""Which channels go, so that what is left meets a goal at the least loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from edgec.ir import Array
from edgec.passes.channels import Axis, ChannelGroup
from edgec.passes.channels.links import Indices

LEAST_LEFT = 0.25  # of a group's channels: no layer is hollowed out for the others' sake
SMALLEST = 1e-30


@dataclass(frozen=True)
class Choice:
    """For each group, the channels that go."""

    removed: Sequence[Indices]

    def slices(self, groups: Sequence[ChannelGroup]) -> dict[Axis, Indices]:
        """The slices of every axis that go with them."""
        found: dict[Axis, list[Indices]] = {}
        for group, removed in zip(groups, self.removed, strict=True):
            for place in removed:
                for axis, indices in group.slices[place].items():
                    found.setdefault(axis, []).append(indices)
        return {axis: np.unique(np.concatenate(parts)) for axis, parts in found.items()}


@dataclass(frozen=True)
class Cuts:
    """How many channels of a group may go: none, or one of ``counts``, which ascend."""

    counts: tuple[int, ...]

    @classmethod
    def of(cls, group: ChannelGroup, round_to: int, least_left: float = LEAST_LEFT) -> Cuts:
        """What is left is a multiple of ``round_to`` elements along every axis of weights, and at
        least that share of the channels."""
        per_channel = max(len(group.slices[0][axis]) for axis in group.sources)
        unit = round_to // math.gcd(round_to, per_channel)
        most = len(group) - max(unit, math.ceil(len(group) * least_left), len(group.kinds))
        first = len(group) % unit or unit
        return cls(tuple(range(first, most + 1, unit)))

    def parts(self) -> Iterator[tuple[int, int]]:
        """From and to which channel each cut goes further than the one before."""
        return zip((0, *self.counts), self.counts, strict=False)


def protected(group: ChannelGroup, scores: Array) -> Array:
    """The scores, with the best channel of each kind above all others: it stays."""
    found = scores.copy()
    best = [places[np.argmax(scores[places])] for places in group.kinds]
    found[best] += 2 * scores.max() + SMALLEST
    return found


class Ranking:
    """Cuts into all groups in the order in which they should be made.

    Args:
        scores: importance per channel of each group.
        savings: what one channel of each group saves.
        cuts: which cuts each group allows.
    """

    def __init__(
        self, scores: Sequence[Array], savings: Sequence[float], cuts: Sequence[Cuts]
    ) -> None:
        self.orders = [np.argsort(score, kind="stable") for score in scores]
        self.cuts = cuts
        self.worth: list[list[float]] = []
        for index, (score, saving) in enumerate(zip(scores, savings, strict=True)):
            ascending = np.sort(score, kind="stable")
            means = (float(ascending[a:b].mean()) for a, b in cuts[index].parts())
            # A first cut that is shorter than the others must still come before them.
            steps = accumulate((mean / max(saving, SMALLEST) for mean in means), max)
            self.worth.append(list(steps) if saving > 0 else [])
        owners = [np.full(len(found), i, np.int64) for i, found in enumerate(self.worth)]
        order = np.argsort(np.concatenate([np.empty(0), *self.worth]), kind="stable")
        self.owners = np.concatenate([np.empty(0, np.int64), *owners])[order]

    def __len__(self) -> int:
        return len(self.owners)

    def first(self, count: int) -> Choice:
        """The choice that makes that many cuts."""
        return self._with(self._made(count))

    def trimmed(self, count: int, fits: Callable[[Choice], bool]) -> Choice:
        """``first(count)`` without those last cuts of groups, the dearest first, that ``fits`` does
        not need: what the cut that met the goal took too much."""
        made = self._made(count)
        last = [worth[n - 1] if n else 0.0 for worth, n in zip(self.worth, made, strict=True)]
        for index in sorted(range(len(made)), key=last.__getitem__, reverse=True):
            if made[index]:
                made[index] -= 1
                made[index] += not fits(self._with(made))
        return self._with(made)

    def uniform(self, share: float) -> Choice:
        """As nearly as cuts allow, and no more than, the same share of each group."""
        allowed = [
            max((n for n in cuts.counts if n <= share * len(order)), default=0)
            for cuts, order in zip(self.cuts, self.orders, strict=True)
        ]
        return Choice([self._least(i, n) for i, n in enumerate(allowed)])

    def _made(self, count: int) -> list[int]:
        """How many cuts into each group the first ones are."""
        return [int(n) for n in np.bincount(self.owners[:count], minlength=len(self.cuts))]

    def _with(self, made: Sequence[int]) -> Choice:
        return Choice([self._least(i, self._after(i, n)) for i, n in enumerate(made)])

    def _after(self, index: int, cuts: int) -> int:
        return self.cuts[index].counts[cuts - 1] if cuts else 0

    def _least(self, index: int, count: int) -> Indices:
        return self.orders[index][:count]


def least_at_goal(most: int, fits: Callable[[int], bool]) -> int | None:
    """The least number up to ``most`` that fits, by bisection; None when ``most`` does not."""
    if not fits(most):
        return None
    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        if fits(middle):
            high = middle
        else:
            low = middle + 1
    return high
