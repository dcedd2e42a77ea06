"""Cross-layer equalization: channels of one tensor that need the same step get it.

A positive factor passes through ReLU: multiply channel c of a layer by s[c], divide what reads it
by s[c], and nothing changes but how the numbers lie on grids (Nagel et al. 2019, arXiv:1906.04721;
with what the activations reach, Xiao et al. 2022, arXiv:2211.10438).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from edgec.ir import Array, Constant, Graph, Op, Rewriter, Value
from edgec.ir.ops import Clip, Conv, MatMul
from edgec.kernels import Dataset, Executor
from edgec.passes.base import Pass
from edgec.passes.context import current
from edgec.passes.pattern import Miss
from edgec.passes.promise import Close
from edgec.passes.reconstruct import evenly
from edgec.passes.reconstruct.patches import Layer, is_supported

LARGEST_FACTOR = 32.0


@dataclass(frozen=True)
class Pair:
    """A tensor between a layer and those that read it.

    Attributes:
        room: by what each channel can grow before the layer's activation changes it; infinite
            where that is linear for positive numbers.
    """

    value: Value
    maker: Layer
    readers: Sequence[Layer]
    room: Array


@dataclass(frozen=True)
class Equalize(Pass):
    """Scale the channels between two layers so that they share one grid with less loss.

    With data, by what each channel reaches: ``alpha`` says how far activations (1) or the weights
    that read them (0) are made even. Without data, by weights alone. A channel before a ReLU6 is
    scaled only where it provably stays below the bound, whatever the input is.
    """

    name = "equalize"
    promise = Close(ulp=4)  # weights are rounded once more on both sides of each tensor
    reads_data = True

    alpha: float = 0.5
    samples: int = 64

    def run(self, graph: Graph, rw: Rewriter) -> None:
        context = current()
        pairs = list(self._pairs(graph))
        reached = _reached(graph, pairs, context.data, self.samples)
        for pair in pairs:
            if not context.fuel.spend(self.name, pair.maker):
                return
            factors = self._factors(pair, reached.get(pair.value))
            _scale(pair, factors)
            context.statistics.applied[f"equalize {pair.maker.op_name}"] += 1

    def _pairs(self, graph: Graph) -> Iterator[Pair]:
        for op in graph.ops:
            if not isinstance(op, Conv | MatMul) or not is_supported(op):
                continue
            reason = _why_not(op)
            if reason is None:
                readers = [user for user in op.result.users if isinstance(user, Conv | MatMul)]
                yield Pair(op.result, op, readers, _room(op))
            else:
                current().statistics.missed(self.name, Miss(reason, near=True), op)

    def _factors(self, pair: Pair, reached: Array | None) -> Array:
        columns = np.max([input_columns(reader) for reader in pair.readers], axis=0)
        if reached is None:
            rows = np.abs(_by_channel(pair.maker, _weights(pair.maker))).max(axis=1)
            return _limited(np.sqrt(_ratio(columns, rows)), pair)
        if all(_is_depthwise(reader) for reader in pair.readers):
            wanted = _ratio(np.full_like(reached, reached.max()), reached)
        else:
            even = _ratio(np.full_like(reached, reached.max()), reached)
            wanted = even**self.alpha * _ratio(columns, columns.max()) ** (1 - self.alpha)
            wanted *= reached.max() / max(float((wanted * reached).max()), 1e-30)
        return _limited(np.where(reached > 0, wanted, 1.0), pair)


def _room(op: Layer) -> Array:
    """By what each output channel can grow below the bound of a clip, by interval analysis: 1
    where it may reach the bound as it is."""
    weights = _by_channel(op, _weights(op))
    if op.act != "clip":
        return np.full(len(weights), inf)
    low, high = _bounds(op.operands[0])
    if not np.isfinite(high - low):
        return np.ones(len(weights))
    highest = np.maximum(weights * low, weights * high).sum(axis=1)
    bias = op.operands[2]
    if isinstance(bias, Constant):
        highest = highest + bias.array
    return np.where(highest > 0, np.maximum(op.act_params[1] / np.maximum(highest, 1e-30), 1), inf)


def _bounds(value: Value | None) -> tuple[float, float]:
    """Between which numbers a value lies (0 included, for padding) whatever the input is."""
    maker = None if value is None else value.producer
    if isinstance(maker, Conv | MatMul) and maker.act == "clip":
        return min(maker.act_params[0], 0.0), max(maker.act_params[1], 0.0)
    if isinstance(maker, Clip):
        return min(maker.low, 0.0), max(maker.high, 0.0)
    return -inf, inf


def _why_not(op: Layer) -> str | None:
    """Why the channels of a layer's result cannot be scaled, None when they can."""
    users = op.result.users
    if not users or not all(_takes_factors(user, op.result) for user in users):
        return "its result is not read by layers alone"
    if type(users[0]) is not type(op) or any(type(user) is not type(op) for user in users):
        return "its channels are not those of the layer that reads it"
    if not isinstance(op.operands[1], Constant) or not isinstance(op.operands[2], Constant | None):
        return "its weights are not constant"
    if op.operands[1].use_count > 1:
        return "its weights are read by other layers too"
    if op.act == "clip":
        if op.act_params[0] != 0 or op.act_params[1] <= 0:
            return "it clips elsewhere than at 0"
        return None if (_room(op) > 1).any() else "each channel may reach the bound of its clip"
    return None if op.act in ("none", "relu", "leaky_relu") else f"{op.act} passes on no factors"


def _takes_factors(user: Op, value: Value) -> bool:
    return (
        isinstance(user, Conv | MatMul)
        and is_supported(user)
        and user.operands[0] is value
        and value not in tuple(user.operands)[1:]
        and isinstance(user.operands[1], Constant)
        and user.operands[1].use_count == 1
    )


def _reached(
    graph: Graph, pairs: Sequence[Pair], data: Dataset | None, samples: int
) -> Mapping[Value, Array]:
    """The largest magnitude in each channel over the data; nothing without data."""
    found: dict[Value, Array] = {}
    if data is None or not pairs:
        return found
    wanted = {pair.maker: pair for pair in pairs}

    def look(op: Op, results: Sequence[Array]) -> None:
        pair = wanted.get(op)  # type: ignore[call-overload]  # other ops have none
        if pair is not None:
            largest = np.abs(_by_channel(pair.maker, results[0], result=True)).max(axis=1)
            found[op.result] = np.maximum(found.get(op.result, 0.0), largest)

    executor = Executor(graph)
    chosen = evenly(data, samples)
    for sample in current().progress(chosen, "equalizing", len(chosen)):
        executor.run({name: sample[name] for name in graph.input_names}, tap=look)
    return found


def _scale(pair: Pair, factors: Array) -> None:
    """Multiply what the maker gives, divide what the readers make of it."""
    maker = pair.maker
    assert maker.graph is not None, "it is in the graph that is walked"
    rw = Rewriter(maker.graph)
    rows = spread_factors(maker, factors, outputs=True)
    exchange(rw, maker, 1, rows)
    if maker.operands[2] is not None:
        exchange(rw, maker, 2, factors)
    for reader in pair.readers:
        exchange(rw, reader, 1, 1.0 / spread_factors(reader, factors, outputs=False))


def exchange(rw: Rewriter, op: Op, index: int, factors: Array) -> None:
    """Multiply a constant operand, in float64."""
    old = op.operands[index]
    assert isinstance(old, Constant), "asked before"
    array = (old.array.astype(np.float64) * factors).astype(old.array.dtype)
    rw.set_operand(op, index, Constant(array, hint=old.hint))


def spread_factors(op: Layer, factors: Array, *, outputs: bool) -> Array:
    """Factors per output or input channel so that they broadcast to the weights."""
    weights = _weights(op)
    if isinstance(op, MatMul):
        along_rows = outputs == op.transpose_b
        return factors[:, np.newaxis] if along_rows else factors
    if outputs:
        return factors.reshape(-1, *(1,) * (weights.ndim - 1))
    per_group = factors.reshape(op.groups, 1, weights.shape[1])
    repeated = np.broadcast_to(per_group, (op.groups, len(weights) // op.groups, weights.shape[1]))
    return repeated.reshape(len(weights), weights.shape[1], *(1,) * (weights.ndim - 2))


def input_columns(op: Layer) -> Array:
    """The largest weight that multiplies each input channel, float64 [inputs]."""
    weights = np.abs(_weights(op)).astype(np.float64)
    if isinstance(op, MatMul):
        return np.asarray(weights.max(axis=0 if op.transpose_b else 1))
    grouped = weights.reshape(op.groups, len(weights) // op.groups, weights.shape[1], -1)
    return np.asarray(grouped.max(axis=(1, 3))).reshape(-1)


def _by_channel(op: Layer, array: Array, *, result: bool = False) -> Array:
    """Weights, or a result, as [output channels, the rest], float64."""
    if isinstance(op, MatMul):
        axis = array.ndim - 1 if result or not op.transpose_b else 0
    else:
        axis = 1 if result else 0
    moved = np.moveaxis(array, axis, 0)
    return np.asarray(moved.reshape(len(moved), -1), np.float64)


def _weights(op: Layer) -> Array:
    weights = op.operands[1]
    assert isinstance(weights, Constant), "asked before"
    return weights.array


def _is_depthwise(op: Layer) -> bool:
    return isinstance(op, Conv) and op.groups > 1 and op.w.type.dims[1] == 1


def _ratio(a: Array, b: Array | float) -> Array:
    """a / b, and 1 where either is 0: a dead channel keeps its numbers."""
    usable = (a > 0) & (np.asarray(b) > 0)
    return np.where(usable, a / np.where(usable, b, 1.0), 1.0)


def _limited(factors: Array, pair: Pair) -> Array:
    """Factors that no activation takes notice of. Before a clip none is below 1: what the clip
    would have cut off must be cut off still."""
    bounded = np.clip(factors, 1 / LARGEST_FACTOR, LARGEST_FACTOR)
    unclipped = np.isinf(pair.room) & (pair.maker.act != "clip")
    return np.where(unclipped, bounded, np.clip(bounded, 1.0, pair.room))
