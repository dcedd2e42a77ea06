"""A tensor as a sum of products of vectors: alternating least squares."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array

SWEEPS = 40
RIDGE = 1e-6  # of the mean diagonal: keeps factors that nearly cancel each other from growing


def parallel_factors(tensor: Array, rank: int) -> list[Array]:
    """One matrix [side, rank] per axis, whose columns multiply and add up to about the tensor
    (Harshman 1970; started from the leading singular vectors of each unfolding)."""
    rng = np.random.default_rng(0)
    unfolded = [
        np.moveaxis(tensor, mode, 0).reshape(side, -1) for mode, side in enumerate(tensor.shape)
    ]
    factors = []
    for matrix in unfolded:
        vectors = np.linalg.eigh(matrix @ matrix.T)[1][:, ::-1][:, :rank]
        fill = rng.standard_normal((len(matrix), rank - vectors.shape[1]))
        factors.append(np.hstack([vectors, fill / np.sqrt(len(matrix))]))
    for _ in range(SWEEPS):
        for mode, matrix in enumerate(unfolded):
            others = [factor for i, factor in enumerate(factors) if i != mode]
            gram = np.ones((rank, rank))
            for factor in others:
                gram = gram * (factor.T @ factor)
            gram += RIDGE * np.trace(gram) / rank * np.eye(rank)
            factors[mode] = np.linalg.solve(gram, (matrix @ _products(others)).T).T
        factors = _balanced(factors)
    return factors


def _products(factors: list[Array]) -> Array:
    """Column by column, all products of one element of each."""
    made = factors[0]
    for factor in factors[1:]:
        made = (made[:, np.newaxis] * factor).reshape(-1, made.shape[1])
    return made


def _balanced(factors: list[Array]) -> list[Array]:
    """The same products from columns of equal norms."""
    norms = np.maximum([np.linalg.norm(factor, axis=0) for factor in factors], 1e-30)
    shared = np.exp(np.log(norms).mean(axis=0))
    return [factor / own * shared for factor, own in zip(factors, norms, strict=True)]
