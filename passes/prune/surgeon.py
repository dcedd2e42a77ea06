"""Importance by what cannot be made good: the loss that is left once all other weights have moved.

Of y = W x, taking away the inputs S costs tr(W_S (H⁻¹_SS)⁻¹ W_Sᵀ) after the others took over what
they can, where H is the covariance of x (Hassibi and Stork 1992, "Second order derivatives for
network pruning: Optimal Brain Surgeon"). Channels go one lot after another, each lot seeing what
those before it left: two that say the same are not both taken for superfluous.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgec.ir import Array, Constant, Op
from edgec.passes.channels import Axis, ChannelGroup
from edgec.passes.prune.choose import LEAST_LEFT
from edgec.passes.prune.importance import read_channels
from edgec.passes.reconstruct import Covariances

LOTS = 24  # in which the channels of a group go
SMALLEST = 1e-30


@dataclass
class Reader:
    """A layer while channels of what it reads go.

    Attributes:
        inverse: H⁻¹ of the inputs that are left.
        gram: Wᵀ W, of the weights as they have moved.
        energy: of the layer's outputs, at the start, over the layer's sensitivity.
        owner: for each input that is left, the channel of the group that it belongs to, or -1.
    """

    inverse: Array
    gram: Array
    energy: float
    owner: Array

    def losses(self, count: int) -> Array:
        """For each of so many channels, the share of the outputs' variance that goes with it."""
        curvature = np.maximum(np.diagonal(self.inverse), SMALLEST)
        single = np.diagonal(self.gram) / curvature / self.energy
        own = self.owner >= 0
        return np.bincount(self.owner[own], single[own], minlength=count)

    def drop(self, channels: Array) -> None:
        """Let the others take over what these say."""
        gone = np.isin(self.owner, channels)
        at, rest = np.flatnonzero(gone), np.flatnonzero(~gone)
        both = self.inverse[np.ix_(at, rest)]
        over = np.linalg.solve(self.inverse[np.ix_(at, at)], both).T
        rows = self.gram[np.ix_(at, rest)]
        spread = over @ (rows - 0.5 * self.gram[np.ix_(at, at)] @ over.T)
        self.gram = self.gram[np.ix_(rest, rest)] - spread - spread.T
        self.inverse = self.inverse[np.ix_(rest, rest)] - over @ both
        self.owner = self.owner[rest]


def by_surgery(
    groups: Sequence[ChannelGroup],
    layers: Sequence[Op],
    covariances: Covariances,
    sensitivity: Mapping[Op, float],
) -> list[Array]:
    """Importance per channel of each group: the sum over the layers that read it of what they
    lose, times what the outputs lose by that."""
    read = [(op, *found) for op in layers if (found := read_channels(op)) is not None]
    read = [(op, x, w) for op, x, w in read if x.value in covariances]
    return [
        _ordered(len(group), _readers(group, read, covariances, sensitivity)) for group in groups
    ]


def _readers(
    group: ChannelGroup,
    read: Sequence[tuple[Op, Axis, Axis]],
    covariances: Covariances,
    sensitivity: Mapping[Op, float],
) -> list[Reader]:
    found = []
    for op, x, w in read:
        if x not in group.slices[0]:
            continue
        assert isinstance(w.value, Constant), "as read_channels finds them"
        columns = np.moveaxis(w.value.array, w.number, 0).astype(np.float64)
        columns = columns.reshape(columns.shape[0], -1)
        own = covariances.of(x.value)
        gram = columns @ columns.T
        energy = max(float((gram * own).sum()), SMALLEST) / sensitivity[op]
        owner = np.full(len(own), -1, np.int64)
        for place, channel in enumerate(group.slices):
            owner[channel[x]] = place
        found.append(Reader(np.linalg.inv(own), gram, energy, owner))
    return found


def _ordered(count: int, readers: Sequence[Reader]) -> Array:
    """Scores that ascend in the order in which channels go."""
    scores = np.zeros(count)
    left = np.arange(count)
    highest = 0.0
    while len(left):
        losses = sum((reader.losses(count) for reader in readers), np.zeros(count))[left]
        last = len(left) <= count * LEAST_LEFT
        lot = np.argsort(losses, kind="stable")[: None if last else max(count // LOTS, 1)]
        for place in lot:
            highest = max(highest, float(losses[place]))
            scores[left[place]] = highest
            highest = float(np.nextafter(highest, np.inf))
        if last:
            break
        for reader in readers:
            reader.drop(left[lot])
        left = np.delete(left, lot)
    return scores
