"""Reading stored integers without their zero point, where a layer's bias can take it back.

The plugin subtracts the zero point of what a layer reads inside the layer, which takes up to half
of its time. Read as if 0 were stored as the least integer, every number is ``scale * zero_point``
too high, and so is every sum by that times the sum of the weights: a constant, which goes into the
bias. Integers, scales and what is computed stay the same. Zeros that a layer pads with would not be
shifted, so that such layers want true numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from edgec.ir import Array, Constant, Graph, Movement, Op, Rewriter, Value, dtypes
from edgec.ir.ops import Add, Concat, Conv, Dequantize, MatMul, MaxPool, Quantize, Split
from edgec.ir.ops.quant import is_per_tensor

_BYTES = (dtypes.i8, dtypes.u8)
_SIGNED_ZERO = 128  # above the least integer: real 0 is 0 in i8, which costs nothing


def drop_zero_points(graph: Graph) -> None:
    """Where every reader of a stored value allows it, let all read it without its zero point."""
    seen: set[Dequantize] = set()
    for op in tuple(graph.ops_of(Dequantize)):
        if op not in seen and _shift(op):
            found = _Readers(op)
            seen.update(found.reads)
            if found.allow:
                found.shift(graph)


@dataclass
class _Readers:
    """What reads the integers of a grid, straight or after they were moved about.

    Attributes:
        reads: the ops that make numbers of integers.
        stores: those that store numbers on that grid again after they were moved.
        layers: those whose bias takes back what they read too much.
        adding: those whose bias takes back what is added to their sums.
        allow: nothing else reads the numbers.
    """

    first: Dequantize
    reads: list[Dequantize] = field(default_factory=list)
    stores: list[Quantize] = field(default_factory=list)
    layers: list[Conv | MatMul] = field(default_factory=list)
    adding: list[Conv | MatMul] = field(default_factory=list)
    allow: bool = True

    def __post_init__(self) -> None:
        pending: list[Op] = [self.first]
        seen: set[Op] = {self.first}
        while pending:
            for other in self._beside(pending.pop()):
                if other not in seen:
                    seen.add(other)
                    pending.append(other)

    def _beside(self, op: Op) -> Iterator[Op]:
        """The ops that must read without the zero point, too, when this one does."""
        if isinstance(op, Dequantize):
            yield from self._before_reading(op)
        elif _moves(op) or (isinstance(op, Quantize) and self._stores_moved(op)):
            yield from self._moved_from(op)
        else:
            self.allow = False
        if self.allow:
            for result in op.results:
                yield from self._readers_of(result)

    def _before_reading(self, op: Dequantize) -> Iterator[Op]:
        stored = op.x.producer
        if not self._reads_same(op) or not isinstance(stored, Quantize):
            self.allow = False
            return
        self.reads.append(op)
        if _is_moved(stored.x):
            yield stored

    def _stores_moved(self, op: Quantize) -> bool:
        same = self._same_grid(op) and op.to is self.first.x.type.dtype
        if same and _is_moved(op.x):
            self.stores.append(op)
            return True
        return False

    def _moved_from(self, op: Op) -> Iterator[Op]:
        for value in op.operands if isinstance(op, Concat) else op.operands[:1]:
            if value is None or value.producer is None:
                self.allow = False
            else:
                yield value.producer

    def _readers_of(self, value: Value) -> Iterator[Op]:
        for user in value.users:
            layer = _layer_before(user, value)
            if isinstance(user, Conv | MatMul) and _takes_back(user, value):
                self.layers.append(user)
            elif layer is not None:
                self.adding.append(layer)
            else:
                yield user

    def _reads_same(self, op: Dequantize) -> bool:
        stored = op.x.producer
        return (
            isinstance(stored, Quantize)
            and op.to is dtypes.f32
            and self._same_grid(op)
            and _parameters(stored) == _parameters(op)
        )

    def _same_grid(self, op: Quantize | Dequantize) -> bool:
        return _parameters(op) == _parameters(self.first)

    def shift(self, graph: Graph) -> None:
        """Read without the zero point."""
        shift = _shift(self.first)
        least = np.asarray(self.first.x.type.dtype.limits[0], self.first.x.type.dtype.numpy)
        for op in (*self.reads, *self.stores):
            rw = Rewriter(graph).at(op)
            rw.set_operand(op, 2, Constant(least, hint="zero_point"))
        for op in self.reads:
            op.result.hint = f"{op.x.hint}.shifted"
            op.result.range = None
        for layer in self.layers:
            _add_to_bias(graph, layer, -shift * _sums_of_weights(layer))
        for layer in self.adding:
            _add_to_bias(graph, layer, np.asarray(-shift))


def _parameters(op: Quantize | Dequantize) -> tuple[float, int] | None:
    """Scale and zero point of a tensor; None where they are others."""
    if op.block or not is_per_tensor(op.scale) or not isinstance(op.scale, Constant):
        return None
    if not isinstance(op.zero_point, Constant) or op.scale.type.dtype is not dtypes.f32:
        return None
    return float(op.scale.array.reshape(())), int(op.zero_point.array.reshape(()))


def _shift(op: Dequantize) -> float:
    """How much higher the numbers are without the zero point; 0 where that gains nothing."""
    found = _parameters(op)
    stored = op.x.type.dtype
    if found is None or stored not in _BYTES:
        return 0.0
    scale, point = found
    above = int(point - stored.limits[0])
    return 0.0 if above == _SIGNED_ZERO else scale * above


def _moves(op: Op) -> bool:
    plain_pool = isinstance(op, MaxPool) and not op.indices
    return op.has(Movement) or plain_pool or isinstance(op, Concat | Split)


def _is_moved(value: Value | None) -> bool:
    return value is not None and value.producer is not None and _moves(value.producer)


def _takes_back(op: Conv | MatMul, value: Value) -> bool:
    """True for a layer that reads the value, pads nothing, and has a bias that can be chosen."""
    if [*op.operands].count(value) != 1 or op.operands[0] is not value:
        return False
    if _weights(op) is None or not (op.bias is None or isinstance(op.bias, Constant)):
        return False
    if isinstance(op, Conv):
        return op.auto_pad in ("explicit", "valid") and not any(op.pads)
    plain = not (op.transpose_a or op.transpose_b) and op.alpha == 1
    return plain and op.b.type.rank == 2 and op.a.type.rank > 1


def _layer_before(op: Op, value: Value) -> Conv | MatMul | None:
    """The layer to whose sums, and nothing else, this op adds the value."""
    if not isinstance(op, Add) or op.x is op.y or op.x.type.dims != op.y.type.dims:
        return None
    layer = (op.y if op.x is value else op.x).producer
    if not isinstance(layer, Conv | MatMul) or layer.act != "none" or layer.result.use_count != 1:
        return None
    return layer if layer.bias is None or isinstance(layer.bias, Constant) else None


def _weights(op: Conv | MatMul) -> Array | None:
    """The numbers that the weights stand for; None where the model computes them."""
    held = op.operands[1]
    assert held is not None
    if isinstance(held, Constant):
        return held.array.astype(np.float64)
    read = held.producer
    if not isinstance(read, Dequantize) or read.block or read.zero_point is not None:
        return None
    if not isinstance(read.x, Constant) or not isinstance(read.scale, Constant):
        return None
    dims = [1] * read.x.array.ndim
    if not is_per_tensor(read.scale):
        dims[read.axis] = -1
    return read.x.array.astype(np.float64) * read.scale.array.astype(np.float64).reshape(dims)


def _sums_of_weights(op: Conv | MatMul) -> Array:
    """Of each output channel."""
    weights = _weights(op)
    assert weights is not None, "asked by _takes_back"
    axes = (0,) if isinstance(op, MatMul) else tuple(range(1, weights.ndim))
    return np.asarray(weights.sum(axis=axes))


def _add_to_bias(graph: Graph, op: Conv | MatMul, change: Array) -> None:
    channels = op.b.type.dims[-1] if isinstance(op, MatMul) else op.w.type.dims[0]
    assert isinstance(channels, int), "constant weights have known dims"
    old = op.bias.array if isinstance(op.bias, Constant) else np.zeros(channels)
    hint = op.bias.hint if op.bias is not None else ""
    made = Constant((old.astype(np.float64) + change).astype(np.float32), hint=hint)
    Rewriter(graph).set_operand(op, 2, made)
