"""Ways to write a layer as several thinner ones, and what each loses at each rank.

Weights are weighted by the covariance of the layer's input channels, H = L Lᵀ: the squared error of
W L is the expected squared error of the layer's outputs (its inputs at one place taken for
independent of those at others). Without data L is the identity.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edgec.ir import Array
from edgec.passes.factorize.cp import parallel_factors
from edgec.passes.factorize.ranks import energy_rank, vbmf_rank

SWEEPS = 5  # of higher-order orthogonal iteration; it settles after two or three
STEPS = 16  # ranks that are tried between none and all
SMALLEST = 1e-30
Rank = tuple[int, ...]


@dataclass(frozen=True)
class Part:
    """One of the layers in a row: its weights [outputs, inputs / groups, *kernel], and along which
    spatial axes it takes the window of the layer that it stands for."""

    weights: Array
    axes: tuple[int, ...] = ()
    depthwise: bool = False


class Way(Protocol):
    """One way for one layer."""

    name: str

    def ranks(self) -> Sequence[Rank]:
        """Those to choose from, ascending."""

    def lost(self, rank: Rank) -> float:
        """The share of the outputs' variance that goes."""

    def parts(self, rank: Rank) -> list[Part]:
        """The layers in a row."""

    def at_energy(self, share: float) -> Rank:
        """The least rank that keeps that share."""

    def at_noise(self) -> Rank:
        """The rank by variational Bayes."""


@dataclass(frozen=True)
class Weights:
    """What is taken apart.

    Attributes:
        array: [outputs, channels, *kernel], float64.
        root: L, [channels, channels].
        unit: ranks are multiples of this.
    """

    array: Array
    root: Array
    unit: int = 1

    @property
    def weighted(self) -> Array:
        """W L, of the array's shape."""
        return np.asarray(np.einsum("oc...,cd->od...", self.array, self.root))

    def unweighted(self, channels: Array) -> Array:
        """Rows over weighted channels [n, C] as rows over channels."""
        return np.linalg.solve(self.root.T, channels.T).T

    def steps(self, most: int) -> list[int]:
        """At most about ``STEPS`` multiples of the unit up to ``most``."""
        unit = self.unit if most > self.unit else 1
        stride = unit * max(most // (unit * STEPS), 1)
        return list(range(stride, most + 1, stride))

    def rounded(self, rank: int, most: int) -> int:
        """The rank, filled up to a multiple of the unit."""
        return min(math.ceil(rank / self.unit) * self.unit, most)


class Svd:
    """Two layers: the window with few outputs, then one by one from these (Zhang et al. 2015,
    arXiv:1505.06798): the principal components of the layer's outputs."""

    name = "svd"

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._sides = (len(weights.array), math.prod(weights.array.shape[1:]))
        matrix = weights.weighted.reshape(len(weights.array), -1)
        self._left, self._singular, _ = np.linalg.svd(matrix, full_matrices=False)

    def ranks(self) -> Sequence[Rank]:
        return [(rank,) for rank in self._weights.steps(len(self._singular))]

    def lost(self, rank: Rank) -> float:
        return _tail(self._singular, rank[0])

    def at_energy(self, share: float) -> Rank:
        found = energy_rank(self._singular, share)
        return (self._weights.rounded(found, len(self._singular)),)

    def at_noise(self) -> Rank:
        found = vbmf_rank(self._singular, *self._sides)
        return (self._weights.rounded(found, len(self._singular)),)

    def parts(self, rank: Rank) -> list[Part]:
        array = self._weights.array
        left = self._left[:, : rank[0]]
        first = (left.T @ array.reshape(len(array), -1)).reshape(rank[0], *array.shape[1:])
        return [Part(first, tuple(range(array.ndim - 2))), Part(_pointwise(left, array.ndim))]


class Spatial:
    """Two layers: a column of the window, then a row (Jaderberg et al. 2014, arXiv:1405.3866)."""

    name = "spatial"

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        outputs, channels, height, width = weights.array.shape
        matrix = weights.weighted.transpose(1, 2, 0, 3).reshape(channels * height, outputs * width)
        self._sides = matrix.shape
        self._left, self._singular, self._right = np.linalg.svd(matrix, full_matrices=False)

    def ranks(self) -> Sequence[Rank]:
        return [(rank,) for rank in self._weights.steps(len(self._singular))]

    def lost(self, rank: Rank) -> float:
        return _tail(self._singular, rank[0])

    def at_energy(self, share: float) -> Rank:
        found = energy_rank(self._singular, share)
        return (self._weights.rounded(found, len(self._singular)),)

    def at_noise(self) -> Rank:
        found = vbmf_rank(self._singular, *self._sides)
        return (self._weights.rounded(found, len(self._singular)),)

    def parts(self, rank: Rank) -> list[Part]:
        outputs, channels, height, width = self._weights.array.shape
        root = np.sqrt(self._singular[: rank[0]])
        column = (self._left[:, : rank[0]] * root).T.reshape(rank[0], channels, height)
        rows = column.transpose(0, 2, 1).reshape(-1, channels)
        column = self._weights.unweighted(rows).reshape(rank[0], height, channels)
        row = (self._right[: rank[0]].T * root).reshape(outputs, width, rank[0])
        return [
            Part(column.transpose(0, 2, 1)[..., np.newaxis], (0,)),
            Part(row.transpose(0, 2, 1)[:, :, np.newaxis, :], (1,)),
        ]


class Tucker:
    """Three layers: fewer channels, the window between these, all outputs from them (Kim et al.
    2016, arXiv:1511.06530), by higher-order orthogonal iteration (De Lathauwer et al. 2000)."""

    name = "tucker"

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._tensor = weights.weighted
        self._energy = max(float(np.square(self._tensor).sum()), SMALLEST)
        self._found: dict[Rank, tuple[Array, Array, Array]] = {}

    def ranks(self) -> Sequence[Rank]:
        outputs, channels = self._tensor.shape[:2]
        most = min(outputs, channels)
        shares = [step / most for step in self._weights.steps(most)]
        pairs = [(share * outputs, share * channels) for share in shares]
        return list(dict.fromkeys(self._rounded(*pair) for pair in pairs))

    def lost(self, rank: Rank) -> float:
        core = self._factors(rank)[1]
        return max(1 - float(np.square(core).sum()) / self._energy, 0.0)

    def at_energy(self, share: float) -> Rank:
        fitting = (rank for rank in self.ranks() if 1 - self.lost(rank) >= share)
        return next(fitting, self._tensor.shape[:2])

    def at_noise(self) -> Rank:
        found = []
        for mode in (0, 1):
            matrix = _unfolded(self._tensor, mode)
            singular = np.linalg.svd(matrix, compute_uv=False)
            found.append(vbmf_rank(singular, *matrix.shape))
        return self._rounded(*found)

    def parts(self, rank: Rank) -> list[Part]:
        outputs, core, inputs = self._factors(rank)
        first = self._weights.unweighted(inputs.T)
        ndim = self._tensor.ndim
        window = tuple(range(ndim - 2))
        return [
            Part(_pointwise(first, ndim)),
            Part(core, window),
            Part(_pointwise(outputs, ndim)),
        ]

    def _rounded(self, outputs: float, inputs: float) -> Rank:
        sides = self._tensor.shape[:2]
        pairs = zip((outputs, inputs), sides, strict=True)
        return tuple(self._weights.rounded(max(round(rank), 1), side) for rank, side in pairs)

    def _factors(self, rank: Rank) -> tuple[Array, Array, Array]:
        """Outputs [O, r], core [r, s, *kernel], inputs [C, s]."""
        if rank not in self._found:
            tensor = self._tensor
            inputs = _leading(_unfolded(tensor, 1), rank[1])
            for _ in range(SWEEPS):
                thin = np.einsum("oc...,cs->os...", tensor, inputs)
                outputs = _leading(_unfolded(thin, 0), rank[0])
                thin = np.einsum("oc...,or->rc...", tensor, outputs)
                inputs = _leading(_unfolded(thin, 1), rank[1])
            core = np.einsum("oc...,or,cs->rs...", tensor, outputs, inputs)
            self._found[rank] = outputs, core, inputs
        return self._found[rank]


class Cp:
    """Four layers: fewer channels, a column and a row of the window on each by itself, all outputs
    from them (Lebedev et al. 2015, arXiv:1412.6553), by alternating least squares."""

    name = "cp"

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._tensor = weights.weighted
        self._energy = max(float(np.square(self._tensor).sum()), SMALLEST)
        self._found: dict[int, list[Array]] = {}

    def ranks(self) -> Sequence[Rank]:
        most = max(self._tensor.shape[:2])
        return [(rank,) for rank in self._weights.steps(most)[1::4]]

    def lost(self, rank: Rank) -> float:
        made = np.einsum("or,cr,hr,wr->ochw", *self._factors(rank[0]), optimize=True)
        return float(np.square(self._tensor - made).sum()) / self._energy

    def at_energy(self, share: float) -> Rank:
        fitting = (rank for rank in self.ranks() if 1 - self.lost(rank) >= share)
        return next(fitting, self.ranks()[-1])

    def at_noise(self) -> Rank:
        ranks = []
        for mode in (0, 1):
            matrix = _unfolded(self._tensor, mode)
            singular = np.linalg.svd(matrix, compute_uv=False)
            ranks.append(vbmf_rank(singular, *matrix.shape))
        return (self._weights.rounded(max(ranks), max(self._tensor.shape[:2])),)

    def parts(self, rank: Rank) -> list[Part]:
        outputs, inputs, height, width = self._factors(rank[0])
        first = self._weights.unweighted(inputs.T)
        return [
            Part(_pointwise(first, 4)),
            Part(height.T[:, np.newaxis, :, np.newaxis], (0,), depthwise=True),
            Part(width.T[:, np.newaxis, np.newaxis, :], (1,), depthwise=True),
            Part(_pointwise(outputs, 4)),
        ]

    def _factors(self, rank: int) -> list[Array]:
        if rank not in self._found:
            self._found[rank] = parallel_factors(self._tensor, rank)
        return self._found[rank]


WAYS = ("svd", "spatial", "tucker", "cp")


def ways_of(weights: Weights, names: Sequence[str]) -> Iterator[Way]:
    """The named ways that fit the weights."""
    window = math.prod(weights.array.shape[2:])
    if "svd" in names:
        yield Svd(weights)
    if window == 1:
        return
    if "tucker" in names:
        yield Tucker(weights)
    if weights.array.ndim == 4 and min(weights.array.shape[2:]) > 1:
        if "spatial" in names:
            yield Spatial(weights)
        if "cp" in names:
            yield Cp(weights)


def _pointwise(matrix: Array, ndim: int) -> Array:
    return matrix.reshape(*matrix.shape, *(1,) * (ndim - 2))


def _unfolded(tensor: Array, mode: int) -> Array:
    return np.moveaxis(tensor, mode, 0).reshape(tensor.shape[mode], -1)


def _leading(matrix: Array, count: int) -> Array:
    """The leading left singular vectors, by the eigenvectors of the smaller product."""
    return np.linalg.eigh(matrix @ matrix.T)[1][:, ::-1][:, :count]


def _tail(singular: Array, rank: int) -> float:
    squares = np.square(singular)
    return float(squares[rank:].sum()) / max(float(squares.sum()), SMALLEST)
