"""Least squares for one layer: weights and bias, from what it reads to what it should give.

What the activation behind the layer hides is no loss: where the original gives a value that the
activation makes flat, every value there is right (Zhang et al. 2015, arXiv:1505.06798, section
2.2). So fitting alternates with moving the targets there to what the layer gives, which never
makes the squared error behind the activation larger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edgec.ir import Array
from edgec.passes.reconstruct.moments import Moments, batches
from edgec.passes.reconstruct.patches import Layer
from edgec.passes.reconstruct.targets import Target, settled

ROUNDS = 3  # of moving targets
LARGEST = 1600  # inputs, for which dampings are compared
DAMPINGS: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
LEAST_DAMPING = 0.01  # for more inputs, which would take long
PARTS = 2


@dataclass(frozen=True)
class Fit:
    """What was found.

    Attributes:
        rows: weights, [G, O / G, K].
        offset: bias, [G, O / G].
        inputs: the matrix A that the loss is weighted with, [G, K, K].
    """

    rows: Array
    offset: Array
    inputs: Array


def fit(
    op: Layer,
    inputs: Iterable[Array],
    target: Target,
    old: Array,
    places: int,
    damping: float,
    within: Callable[[Array, Array], Array] = lambda rows, inputs: rows,
) -> Fit:
    """Weights near ``old`` [G, O / G, K] that give what is wanted.

    Args:
        places: of each sample.
        damping: a share of the mean variance of the inputs; 0 takes, of several, the one that is
            best where the other half of the samples was fitted.
        within: moves weights to the nearest that are allowed, by the matrix that it is given.
    """
    parts = [Moments(old.shape[0], old.shape[2], old.shape[1]) for _ in range(PARTS)]
    for index, (x, (y,)) in enumerate(batches(op, inputs, [target.wanted], places)):
        parts[index % PARTS].add(x, y)
    amount = damping or _best_damping(parts, old)
    moments = Moments.sum(parts)
    rows, spread = moments.fitted(old, amount)
    rows = within(rows, spread)
    for _ in range(ROUNDS if target.is_flat_somewhere else 0):
        offset = moments.offset(rows)
        moments.forget_outputs()
        skip = [] if target.skip is None else [target.skip]
        for x, (y, *more) in batches(op, inputs, [target.wanted, *skip], places):
            found = np.matmul(x.transpose(1, 0, 2), rows.transpose(0, 2, 1).astype(x.dtype))
            found = found.transpose(1, 0, 2) + offset.astype(x.dtype)
            moments.add_outputs(x, settled(y, found, more[0] if more else None, target))
        rows, spread = moments.fitted(old, amount)
        rows = within(rows, spread)
    return Fit(rows, moments.offset(rows), spread)


def _best_damping(parts: Sequence[Moments], old: Array) -> float:
    """The damping with which what is fitted to one part is best on the other."""
    fewest = min(part.count for part in parts)
    inputs = old.shape[2]
    if inputs > LARGEST or fewest < 2:
        count = sum(part.count for part in parts)
        return float(LEAST_DAMPING + inputs / max(count, 1))
    errors = np.zeros(len(DAMPINGS))
    for seen, other in (parts, parts[::-1]):
        errors += _errors(seen, other, old)
    return DAMPINGS[int(np.argmin(errors))]


def _errors(seen: Moments, other: Moments, old: Array) -> Array:
    """On ``other``, of weights fitted to ``seen`` with each damping, up to a constant."""
    (own, cross), (own_other, cross_other) = seen.centred(), other.centred()
    values, vectors = np.linalg.eigh(own)
    mean = np.maximum(values.mean(axis=1), 1e-30)[:, np.newaxis, np.newaxis]
    turned = [np.matmul(rows, vectors) for rows in (cross, old, cross_other)]
    spread = np.matmul(vectors.transpose(0, 2, 1), np.matmul(own_other, vectors))
    found = []
    for damping in DAMPINGS:
        amount = damping * mean
        rows = (turned[0] + amount * turned[1]) / (np.maximum(values, 0)[:, np.newaxis] + amount)
        found.append(float((np.matmul(rows, spread) * rows).sum() - 2 * (rows * turned[2]).sum()))
    return np.asarray(found)
