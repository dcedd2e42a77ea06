"""Rounding the weights of a layer so that its outputs, not its weights, are off by the least.

Of all integers Z on a grid of step S, those that make tr((S Z - T) A (S Z - T)ᵀ) small, where A is
the covariance of the layer's inputs and T the real weights: first one input after another with the
error handed on to the rest (Frantar et al. 2022, arXiv:2210.17323), then by coordinate descent on
single weights, which is the quadratic form of learned rounding (Nagel et al. 2020,
arXiv:2004.10568, equation 13) without the restriction to the two neighbours.
"""

from __future__ import annotations

import numpy as np

from edgec.ir import Array

SWEEPS = 8  # of the descent: most layers stop changing after four


def rounded(target: Array, inputs: Array, step: Array, limit: int) -> Array:
    """Integers within ±limit.

    Args:
        target: T, float64 [groups, outputs, inputs].
        inputs: A, float64 [groups, inputs, inputs], positive definite.
        step: S, of the target's shape or one that broadcasts to it.
    """
    steps = np.broadcast_to(step, target.shape)
    return _descended(_handed_on(target, inputs, steps, limit), target, inputs, steps, limit)


def loss(integers: Array, target: Array, inputs: Array, step: Array) -> Array:
    """The diagonal of (S Z - T) A (S Z - T)ᵀ: per group and output."""
    off = integers * step - target
    return np.asarray((np.matmul(off, inputs) * off).sum(axis=-1))


def _handed_on(target: Array, inputs: Array, steps: Array, limit: int) -> Array:
    """Round input after input; what is lost at one is made good at those that follow."""
    upper = np.linalg.cholesky(np.linalg.inv(inputs)).transpose(0, 2, 1)
    left = target.copy()
    made = np.empty_like(target)
    for k in range(target.shape[-1]):
        step = steps[:, :, k]
        made[:, :, k] = np.clip(np.rint(left[:, :, k] / step), -limit, limit)
        pivot = upper[:, k, k][:, np.newaxis]
        lost = (left[:, :, k] - made[:, :, k] * step) / pivot
        left[:, :, k + 1 :] -= lost[:, :, np.newaxis] * upper[:, np.newaxis, k, k + 1 :]
    return made


def _descended(made: Array, target: Array, inputs: Array, steps: Array, limit: int) -> Array:
    """Move single integers for as long as that helps."""
    slope = np.matmul(made * steps - target, inputs)
    curvature = np.diagonal(inputs, axis1=1, axis2=2)
    for _ in range(SWEEPS):
        moved = False
        for k in range(target.shape[-1]):
            step = steps[:, :, k]
            best = np.rint(made[:, :, k] - slope[:, :, k] / (curvature[:, np.newaxis, k] * step))
            by = np.clip(best, -limit, limit) - made[:, :, k]
            if not by.any():
                continue
            moved = True
            made[:, :, k] += by
            slope += (by * step)[:, :, np.newaxis] * inputs[:, np.newaxis, k, :]
        if not moved:
            break
    return made
