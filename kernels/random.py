"""Kernels of random numbers: numpy's generator (PCG64), seeded by the bits of the op's seed."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array
from edgec.ir.ops import Bernoulli, Multinomial, RandomNormal, RandomUniform
from edgec.kernels.precision import rounded
from edgec.kernels.table import KERNELS

_BELOW_ONE = np.nextafter(1.0, 0.0)


def _generator(seed: float | None) -> np.random.Generator:
    """Two executions with one seed draw the same numbers."""
    if seed is None:
        return np.random.default_rng()
    return np.random.default_rng(np.float64(seed).view(np.uint64))


def _shape(op: RandomNormal | RandomUniform, shape: Array | None) -> tuple[int, ...]:
    if shape is not None:
        return tuple(int(dim) for dim in shape)
    return op.result.type.static_dims or ()


@KERNELS.rule(RandomNormal)
def random_normal(op: RandomNormal, shape: Array | None) -> Array:
    drawn = _generator(op.seed).normal(op.mean, abs(op.scale), _shape(op, shape))
    return rounded(np.asarray(drawn), op.dtype.numpy)


@KERNELS.rule(RandomUniform)
def random_uniform(op: RandomUniform, shape: Array | None) -> Array:
    drawn = _generator(op.seed).random(_shape(op, shape))
    return rounded(np.asarray(op.low + (op.high - op.low) * drawn), op.dtype.numpy)


@KERNELS.rule(Bernoulli)
def bernoulli(op: Bernoulli, x: Array) -> Array:
    drawn = _generator(op.seed).random(x.shape) < x.astype(np.float64)
    return rounded(np.asarray(drawn), op.dtype.numpy)


@KERNELS.rule(Multinomial)
def multinomial(op: Multinomial, x: Array) -> Array:
    """Each row's cumulated probabilities, searched for evenly drawn numbers."""
    scores = x.astype(np.float64)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True, initial=-np.inf))
    cumulated = np.cumsum(weights, axis=1)
    cumulated /= cumulated[:, -1:]
    drawn = _generator(op.seed).random((x.shape[0], op.samples_per_row)) * _BELOW_ONE
    classes = (drawn[:, :, None] >= cumulated[:, None, :]).sum(axis=2)
    return rounded(np.asarray(classes), op.dtype.numpy)
