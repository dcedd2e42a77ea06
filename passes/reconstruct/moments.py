"""Second moments of what enters a layer and what it should give, gathered sample by sample.

They are all that least squares needs: memory is that of the weights squared per group, whatever the
number of samples (normal equations).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from edgec.ir import Array
from edgec.passes.reconstruct.patches import Layer, outputs_at, patches_at, places

AT_ONCE = 1024  # places: the sums are as large as the weights squared, and seldom touched


class Moments:
    """Sums over places of x, y, x xᵀ and y xᵀ, per group.

    Args:
        groups, inputs, outputs: G, K, and O / G of the layer (see ``patches.py``).
    """

    def __init__(self, groups: int, inputs: int, outputs: int) -> None:
        self.count = 0
        self.x = np.zeros((groups, inputs))
        self.y = np.zeros((groups, outputs))
        self.xx = np.zeros((groups, inputs, inputs))
        self.yx = np.zeros((groups, outputs, inputs))

    def add(self, x: Array, y: Array) -> None:
        """Places more: x is [P, G, K], y is [P, G, O / G]."""
        self.count += len(x)
        by_group = x.transpose(1, 0, 2)
        self.x += by_group.sum(axis=1, dtype=np.float64)
        self.xx += np.matmul(by_group.transpose(0, 2, 1), by_group)
        self.add_outputs(x, y)

    @classmethod
    def sum(cls, parts: Sequence[Moments]) -> Moments:
        """Of all places of several."""
        first = parts[0]
        made = cls(first.x.shape[0], first.x.shape[1], first.y.shape[1])
        for part in parts:
            made.count += part.count
            for own, other in zip(made._sums, part._sums, strict=True):
                own += other
        return made

    @property
    def _sums(self) -> tuple[Array, Array, Array, Array]:
        return self.x, self.y, self.xx, self.yx

    def forget_outputs(self) -> None:
        """Before what the same places should give is added anew."""
        self.y[:] = 0
        self.yx[:] = 0

    def add_outputs(self, x: Array, y: Array) -> None:
        """What places that were added before should give."""
        wanted = y.transpose(1, 0, 2)
        self.y += wanted.sum(axis=1, dtype=np.float64)
        self.yx += np.matmul(wanted.transpose(0, 2, 1), x.transpose(1, 0, 2))

    def centred(self) -> tuple[Array, Array]:
        """Covariances of x with itself [G, K, K], and of y with x [G, O / G, K].

        The means are left to the bias, which may be any number.
        """
        x, y = self.x / self.count, self.y / self.count
        own = self.xx / self.count - x[:, :, np.newaxis] * x[:, np.newaxis, :]
        cross = self.yx / self.count - y[:, :, np.newaxis] * x[:, np.newaxis, :]
        return own, cross

    def fitted(self, weights: Array, damping: float) -> tuple[Array, Array]:
        """The weights nearest to giving y, and the matrix that measures how near others are.

        Ridge regression towards ``weights`` [G, O / G, K]: directions that the data do not show
        keep them. ``damping`` is a share of the mean variance of the inputs.

        Returns:
            W* = (cov(y, x) + d W) A⁻¹ and A = cov(x, x) + d I. The squared error of any other W is
            that of W* and tr((W - W*) A (W - W*)ᵀ) more.
        """
        own, cross = self.centred()
        inputs = own.shape[-1]
        mean = np.trace(own, axis1=1, axis2=2) / inputs
        amount = damping * np.where(mean > 0, mean, 1.0)
        own += amount[:, np.newaxis, np.newaxis] * np.eye(inputs)
        cross += amount[:, np.newaxis, np.newaxis] * weights
        return np.linalg.solve(own, cross.transpose(0, 2, 1)).transpose(0, 2, 1), own

    def offset(self, weights: Array) -> Array:
        """The bias with which ``weights`` give the mean of y, [G, O / G]."""
        x, y = self.x / self.count, self.y / self.count
        return np.asarray(y - np.einsum("gok,gk->go", weights, x))


def gather(
    moments: Moments, op: Layer, inputs: Iterable[Array], wanted: Iterable[Array], most: int
) -> None:
    """Add what enters a layer and what it should give, sample by sample, at ``most`` places each,
    drawn at random (always the same ones)."""
    for x, (y,) in batches(op, inputs, [wanted], most):
        moments.add(x, y)


def batches(
    op: Layer, inputs: Iterable[Array], results: Sequence[Iterable[Array]], most: int
) -> Iterator[tuple[Array, list[Array]]]:
    """What enters a layer, [P, G, K], and values of its result, each [P, G, O / G], of some samples
    at a time, at ``most`` places of each sample, drawn at random (always the same ones)."""
    rng = np.random.default_rng(0)
    waiting: list[tuple[Array, ...]] = []
    for x, *ys in zip(inputs, *results, strict=True):
        count = places(op, ys[0])
        at = np.arange(count)
        if count > most:
            at = np.sort(rng.choice(count, most, replace=False))
        waiting.append((patches_at(op, x, at), *(outputs_at(op, y, at) for y in ys)))
        if sum(len(taken[0]) for taken in waiting) >= AT_ONCE:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _joined(waiting: Sequence[tuple[Array, ...]]) -> tuple[Array, list[Array]]:
    x, *ys = (np.concatenate(parts) for parts in zip(*waiting, strict=True))
    return x, ys
