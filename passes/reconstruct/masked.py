"""Least squares for weights of which some are zero and stay so."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array

SWEEPS = 10  # of coordinate descent


def on_support(target: Array, inputs: Array, kept: Array) -> Array:
    """The W, zero where not ``kept``, that makes tr((W - T) A (W - T)ᵀ) small.

    One input after another, what is lost at one made good at those that follow (Frantar and
    Alistarh 2023, arXiv:2301.00774, section 3.2); then by descent on single weights.

    Args:
        target, kept: T, and where W may differ from zero, [groups, outputs, inputs].
        inputs: A, [groups, inputs, inputs], positive definite.
    """
    upper = np.linalg.cholesky(np.linalg.inv(inputs)).transpose(0, 2, 1)
    made = target.copy()
    for k in range(target.shape[-1]):
        lost = np.where(kept[:, :, k], 0.0, made[:, :, k]) / upper[:, k, k][:, np.newaxis]
        made[:, :, k:] -= lost[:, :, np.newaxis] * upper[:, np.newaxis, k, k:]
    made = np.where(kept, made, 0.0)
    slope = np.matmul(made - target, inputs)
    curvature = np.diagonal(inputs, axis1=1, axis2=2)
    for _ in range(SWEEPS):
        for k in range(target.shape[-1]):
            by = np.where(kept[:, :, k], -slope[:, :, k] / curvature[:, np.newaxis, k], 0.0)
            made[:, :, k] += by
            slope += by[:, :, np.newaxis] * inputs[:, np.newaxis, k, :]
    return made
