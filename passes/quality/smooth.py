"""SmoothQuant: large channels of activations are handed over to the weights that read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgec.ir import Array, Code, Constant, Error, Graph, Op, Rewriter, Value
from edgec.ir.ops import LayerNorm, MatMul, RmsNorm
from edgec.kernels import Executor
from edgec.passes.base import Pass
from edgec.passes.context import current
from edgec.passes.promise import Close
from edgec.passes.quality.equalize import exchange, input_columns, spread_factors
from edgec.passes.reconstruct import evenly
from edgec.passes.reconstruct.patches import is_supported

_SMALLEST = 1e-5  # of a channel's largest magnitude: below it, it is not scaled


@dataclass(frozen=True)
class Smooth(Pass):
    """Divide the channels that a normalization gives to matmuls, and multiply those weights.

    By s[c] = reached[c]^alpha / weight[c]^(1 - alpha), of the largest magnitude that channel c
    reaches over ``samples`` samples of the data and of the largest weight that reads it (Xiao et
    al. 2022, arXiv:2211.10438, equation 4). The factors go into the normalization's own.
    """

    name = "smooth"
    promise = Close(ulp=4)  # weights and scales are rounded once more
    reads_data = True

    alpha: float = 0.5
    samples: int = 64

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise Error(Code.OPTION, f"smooth{{alpha={self.alpha}}} is none", instead="0 to 1")

    def run(self, graph: Graph, rw: Rewriter) -> None:
        context = current()
        norms = dict(_norms(graph))
        if not norms:
            return
        data = context.require_data("smoothing looks at what each channel reaches")
        reached: dict[Op, Array] = {}

        def look(op: Op, results: Sequence[Array]) -> None:
            if op in norms:
                found = np.abs(results[0]).reshape(-1, results[0].shape[-1]).max(axis=0)
                reached[op] = np.maximum(reached.get(op, 0.0), found)

        executor = Executor(graph)
        for sample in evenly(data, self.samples):
            executor.run({name: sample[name] for name in graph.input_names}, tap=look)
        for op, readers in norms.items():
            if not context.fuel.spend(self.name, op):
                return
            _hand_over(op, readers, self._factors(reached[op], readers))
            context.statistics.applied[f"smooth {op.op_name}"] += 1

    def _factors(self, reached: Array, readers: Sequence[MatMul]) -> Array:
        columns = np.max([input_columns(reader) for reader in readers], axis=0)
        usable = (reached > _SMALLEST) & (columns > _SMALLEST)
        safe = np.where(usable, reached, 1.0), np.where(usable, columns, 1.0)
        return np.asarray(safe[0] ** self.alpha / safe[1] ** (1 - self.alpha), np.float64)


def _norms(graph: Graph) -> Iterator[tuple[Op, list[MatMul]]]:
    """Normalizations of the last axis whose scale is their own, read by constant matmuls alone."""
    for op in graph.ops_of(LayerNorm, RmsNorm):
        assert isinstance(op, LayerNorm | RmsNorm)
        parameters = op.operands[1:]
        own = all(_is_own(value) for value in parameters if value is not None)
        readers = [user for user in op.result.users if _reads(user, op.result)]
        if own and readers and len(readers) == op.result.user_count:
            yield op, [user for user in readers if isinstance(user, MatMul)]


def _is_own(value: Value) -> bool:
    """A constant with one number per channel that no other op reads."""
    return isinstance(value, Constant) and value.use_count == 1 and value.type.rank == 1


def _reads(user: Op, value: Value) -> bool:
    if not isinstance(user, MatMul) or not is_supported(user):
        return False
    return user.a is value and isinstance(user.b, Constant) and user.b.use_count == 1


def _hand_over(norm: Op, readers: Sequence[MatMul], factors: Array) -> None:
    assert norm.graph is not None, "it is in the graph that is walked"
    rw = Rewriter(norm.graph)
    for index, value in enumerate(norm.operands):
        if index and value is not None:
            exchange(rw, norm, index, 1.0 / factors)
    for reader in readers:
        exchange(rw, reader, 1, spread_factors(reader, factors, outputs=False))
