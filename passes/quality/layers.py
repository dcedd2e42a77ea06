"""The layers of a quantized graph whose stored weights and biases can be changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgec.ir import Array, Constant, Graph, Op, Rewriter, Value, dtypes
from edgec.ir.ops import Conv, Dequantize, MatMul
from edgec.passes.reconstruct.patches import Layer, is_supported, rows_of, unrows

LARGEST_BIAS = 2.0**30  # as ``quantize`` bounds it: half of what the sum can hold is left
BIAS_SLOT = 2


@dataclass(frozen=True)
class QuantizedLayer:
    """A convolution or matmul that reads stored weights.

    Attributes:
        op: the layer.
        weights: reads its weights; nothing else reads them.
    """

    op: Layer
    weights: Dequantize

    @property
    def x(self) -> Value:
        """What the weights are multiplied with."""
        found = self.op.operands[0]
        assert found is not None, "a layer reads something"
        return found

    @property
    def stored(self) -> Constant:
        assert isinstance(self.weights.x, Constant), "how layers are found"
        return self.weights.x

    def steps(self) -> Array:
        """The scale of each output's weights, float64 [groups, outputs per group, 1]."""
        assert isinstance(self.weights.scale, Constant), "how layers are found"
        rows = rows_of(self.op, self.stored.array)
        scale = self.weights.scale.array.astype(np.float64).reshape(-1)
        return np.broadcast_to(scale, rows.shape[0] * rows.shape[1]).reshape(*rows.shape[:2], 1)

    def integers(self) -> Array:
        """The stored weights, float64 [groups, outputs per group, inputs]."""
        return rows_of(self.op, self.stored.array).astype(np.float64)

    def store(self, rows: Array) -> None:
        """Other integers, [groups, outputs per group, inputs], for the weights."""
        old = self.stored
        array = unrows(self.op, rows, old.array.shape).astype(old.array.dtype)
        self._rewriter().set_operand(self.weights, 0, Constant(array, hint=old.hint))

    def shift_bias(self, by: Array) -> None:
        """Add to the bias of each output, in real numbers, float64 [outputs]."""
        bias = self.op.operands[BIAS_SLOT]
        if bias is None:
            made = Constant(by.astype(np.float32), hint=f"{self.op.result.hint}.bias")
            self._rewriter().set_operand(self.op, BIAS_SLOT, made)
        elif isinstance(bias, Constant):
            made = Constant((bias.array + by).astype(bias.array.dtype), hint=bias.hint)
            self._rewriter().set_operand(self.op, BIAS_SLOT, made)
        else:
            self._shift_stored(bias, by)

    def _shift_stored(self, bias: Value, by: Array) -> None:
        reading = bias.producer
        assert isinstance(reading, Dequantize), "how layers are found"
        held, scale = reading.x, reading.scale
        assert isinstance(held, Constant), "how layers are found"
        assert isinstance(scale, Constant), "how layers are found"
        moved = held.array + by / scale.array.astype(np.float64)
        stored = np.clip(np.rint(moved), -LARGEST_BIAS, LARGEST_BIAS).astype(held.array.dtype)
        self._rewriter().set_operand(reading, 0, Constant(stored, hint=held.hint))

    def parts(self) -> Iterator[Op]:
        """The ops to compute anew, in order, after weights or bias have changed."""
        yield self.weights
        bias = self.op.operands[BIAS_SLOT]
        if bias is not None and bias.producer is not None:
            yield bias.producer
        yield self.op

    def _rewriter(self) -> Rewriter:
        assert self.op.graph is not None, "it is in the graph that is walked"
        return Rewriter(self.op.graph)


def quantized_layers(graph: Graph) -> Iterator[QuantizedLayer]:
    """The convolutions and matmuls of the outermost graph that read weights stored as 8-bit
    integers on known scales, which no other op reads, and a bias that is known or none."""
    for op in graph.ops_of(Conv, MatMul):
        assert isinstance(op, Conv | MatMul)
        weights = op.operands[1]
        reading = None if weights is None else weights.producer
        if isinstance(reading, Dequantize) and is_supported(op) and _is_own(reading):
            if reading.block or not _has_known_bias(op):
                continue
            yield QuantizedLayer(op, reading)


def _is_own(reading: Dequantize) -> bool:
    known = isinstance(reading.x, Constant) and isinstance(reading.scale, Constant)
    return known and reading.x.type.dtype is dtypes.i8 and reading.result.use_count == 1


def _has_known_bias(op: Layer) -> bool:
    bias = op.operands[BIAS_SLOT]
    if bias is None:
        return True
    if isinstance(bias, Constant):
        return bias.type.rank == 1
    reading = bias.producer
    return (
        isinstance(reading, Dequantize)
        and reading.result.use_count == 1
        and isinstance(reading.x, Constant)
        and isinstance(reading.scale, Constant)
    )
