"""How many components of a matrix are signal: empirical variational Bayes.

Nakajima, Sugiyama, Babacan and Tomioka 2013, "Global analytic solution of fully-observed
variational Bayesian matrix factorization", JMLR 14: the rank, and the noise that goes with it,
follow from the singular values alone.
"""

from __future__ import annotations

import numpy as np

from edgec.ir import Array

TAU = 2.5129  # times the square root of the ratio of sides: the threshold's limit, section 4.1
SEARCH = 200  # noise variances that are tried, evenly spaced in their logarithm
SMALLEST = 1e-30


def vbmf_rank(singular: Array, rows: int, columns: int) -> int:
    """The number of components that are above the noise, at least 1.

    Args:
        singular: all singular values of the matrix, descending.
        rows, columns: its sides.
    """
    short, long = sorted((rows, columns))
    squares = np.square(singular.astype(np.float64))
    ratio = short / long
    tau = TAU * np.sqrt(ratio)
    limit = (1 + tau) * (1 + ratio / tau)
    total = max(float(squares.sum()), SMALLEST)
    last = max(min(int(np.ceil(short / (1 + ratio))) - 1, len(squares)) - 1, 0)
    high = total / (short * long)
    low = max(float(squares[last]) / limit, float(squares[last:].mean())) / long
    low = min(max(low, 1e-6 * high), high)
    noises = np.geomspace(low, high, SEARCH)
    scores = [_free_energy(squares, noise, long, ratio, limit) for noise in noises]
    noise = float(noises[int(np.argmin(scores))])
    return max(int((squares > long * noise * limit).sum()), 1)


def _free_energy(squares: Array, noise: float, long: int, ratio: float, limit: float) -> float:
    """Equation 32 of the paper, up to a constant."""
    x = np.maximum(squares / (long * noise), SMALLEST)
    signal = x > limit
    found = float((x[~signal] - np.log(x[~signal])).sum())
    above = x[signal]
    tau = 0.5 * (above - (1 + ratio) + np.sqrt((above - (1 + ratio)) ** 2 - 4 * ratio))
    found += float((above - tau + np.log((tau + 1) / above)).sum())
    return found + float((ratio * np.log(tau / ratio + 1)).sum())


def energy_rank(singular: Array, share: float) -> int:
    """The least number of components that hold that share of the energy."""
    squares = np.square(singular.astype(np.float64))
    held = np.cumsum(squares) / max(float(squares.sum()), SMALLEST)
    return int(np.searchsorted(held, share - 1e-12)) + 1
