"""Zeros among the weights: layers keep their size, and only hardware that skips zeros is faster."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgec.ir import Array, Code, Constant, Error, Graph, Rewriter
from edgec.kernels import Executor
from edgec.passes.base import Pass
from edgec.passes.context import current
from edgec.passes.factorize.layers import Layer, layers_of, tensor_of
from edgec.passes.promise import Lossy
from edgec.passes.reconstruct import Covariances, rows_of, unrows
from edgec.passes.reconstruct.patches import result_axis
from edgec.passes.recover import recover, teacher_of


@dataclass(frozen=True)
class Sparsify(Pass):
    """Set the weights that matter least to zero: a share of each layer's, or N of each M.

    ``ratio`` is the share of zeros; ``pattern`` N:M keeps N of each M neighbours along the input
    channels (2:4 is what sparse tensor cores take). With data, weights count by what they carry
    (Sun et al. 2024, arXiv:2306.11695), and ``recover`` fits those that stay to what the layers
    gave. Files stay as large until they are compressed, and runtimes without sparse kernels as
    slow.
    """

    name = "sparsify"
    promise = Lossy("sqnr_db", 0.0)

    ratio: float = 0.0
    pattern: str = ""
    samples: int = 64
    places: int = 128
    damping: float = 0.0
    recover: bool = True

    def __post_init__(self) -> None:
        if bool(self.ratio) == bool(self.pattern) or not 0 <= self.ratio < 1:
            raise Error(
                Code.OPTION,
                f"{self} wants a share between 0 and 1, or a pattern",
                instead="sparsify{ratio=0.5} or sparsify{pattern=2:4}",
            )
        if self.pattern and not 0 < self._pattern[0] < self._pattern[1]:
            raise Error(
                Code.OPTION, f"pattern {self.pattern!r} keeps no N of M", instead="pattern=2:4"
            )

    @property
    def _pattern(self) -> tuple[int, int]:
        found = re.fullmatch(r"(\d+):(\d+)", self.pattern)
        return (int(found[1]), int(found[2])) if found else (0, 0)

    def run(self, graph: Graph, rw: Rewriter) -> None:
        context = current()
        layers = [op for op in layers_of(graph) if self._takes(op)]
        energies = self._energies(graph, layers)
        teacher = teacher_of(graph)
        for op in layers:
            if not context.fuel.spend(self.name, op):
                break
            energy = np.repeat(energies.get(op, np.ones(tensor_of(op).shape[1])), _window(op))
            self._store(op, np.where(self._kept(op, energy), _rows(op), 0.0))
        if self.recover and context.data is not None:
            fitted = recover(graph, teacher, self.samples, self.places, self.damping)
            context.statistics.applied["recover layers"] += fitted

    def _energies(self, graph: Graph, layers: Sequence[Layer]) -> dict[Layer, Array]:
        """The variance of each layer's input channels."""
        data = current().data
        if data is None:
            return {}
        read = {op: x for op in layers if (x := op.operands[0]) is not None}
        axes = {x: result_axis(op, x.type.rank) for op, x in read.items()}
        covariances = Covariances(axes, self.places)
        covariances.run(Executor(graph), data, self.samples)
        return {op: np.diagonal(covariances.of(x)) for op, x in read.items()}

    def _takes(self, op: Layer) -> bool:
        """Without a whole number of M neighbours there is no pattern."""
        weights = op.operands[1]
        assert isinstance(weights, Constant), "how layers are found"
        if weights.use_count > 1:
            return False
        rows = rows_of(op, weights.array)
        return not self.pattern or (rows.shape[2] // _window(op)) % self._pattern[1] == 0

    def _kept(self, op: Layer, energy: Array) -> Array:
        """Which weights stay, bools of the rows' shape, by their squares times what they read."""
        rows = _rows(op)
        worth = np.square(rows) * np.maximum(energy, 1e-30)
        if not self.pattern:
            count = round(worth.size * self.ratio)
            order = np.argsort(worth, axis=None, kind="stable")
            kept = np.ones(worth.size, bool)
            kept[order[:count]] = False
            return kept.reshape(worth.shape)
        keep, of = self._pattern
        by_tap = worth.reshape(worth.shape[1], -1, _window(op)).swapaxes(1, 2)
        lots = by_tap.reshape(-1, of)
        kept = np.zeros(lots.shape, bool)
        best = np.argsort(-lots, axis=1, kind="stable")[:, :keep]
        np.put_along_axis(kept, best, True, axis=1)
        return kept.reshape(by_tap.shape).swapaxes(1, 2).reshape(worth.shape)

    def _store(self, op: Layer, rows: Array) -> None:
        weights = op.operands[1]
        assert isinstance(weights, Constant), "how layers are found"
        assert op.graph is not None, "it is in the graph that is walked"
        array = unrows(op, rows, weights.array.shape).astype(weights.array.dtype)
        Rewriter(op.graph).set_operand(op, 1, Constant(array, hint=weights.hint))
        zeros = int((array == 0).sum())
        current().statistics.applied[f"zero weights of {op.op_name}"] += zeros


def _rows(op: Layer) -> Array:
    weights = op.operands[1]
    assert isinstance(weights, Constant), "how layers are found"
    return rows_of(op, weights.array).astype(np.float64)


def _window(op: Layer) -> int:
    """Places of the window."""
    weights = op.operands[1]
    assert isinstance(weights, Constant), "how layers are found"
    return int(np.prod(weights.array.shape[2:]))
