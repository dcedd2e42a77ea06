"""Second moments of what enters a layer and what it should give, gathered sample by sample.

They are all that least squares needs: memory is that of the weights squared per group, whatever the
number of samples (normal equations).
"""

from __future__ import annotations

from collections.abc import Sequence

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
        by_group, wanted = x.transpose(1, 0, 2), y.transpose(1, 0, 2)
        self.x += by_group.sum(axis=1, dtype=np.float64)
        self.y += wanted.sum(axis=1, dtype=np.float64)
        self.xx += np.matmul(by_group.transpose(0, 2, 1), by_group)
        self.yx += np.matmul(wanted.transpose(0, 2, 1), by_group)

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
    moments: Moments, op: Layer, inputs: Sequence[Array], wanted: Sequence[Array], most: int
) -> None:
    """Add what enters a layer and what it should give, sample by sample, at ``most`` places each,
    drawn at random (always the same ones)."""
    rng = np.random.default_rng(0)
    waiting: list[tuple[Array, Array]] = []
    for x, y in zip(inputs, wanted, strict=True):
        count = places(op, y)
        at = np.arange(count)
        if count > most:
            at = np.sort(rng.choice(count, most, replace=False))
        waiting.append((patches_at(op, x, at), outputs_at(op, y, at)))
        if sum(len(taken) for taken, _ in waiting) >= AT_ONCE:
            _add_all(moments, waiting)
            waiting = []
    if waiting:
        _add_all(moments, waiting)


def _add_all(moments: Moments, waiting: Sequence[tuple[Array, Array]]) -> None:
    xs, ys = zip(*waiting, strict=True)
    moments.add(np.concatenate(xs), np.concatenate(ys))
