"""Weights and biases in integers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgec.ir import Array, Constant, Grid, Op, QuantScheme, Rewriter, Value
from edgec.ir.ops import ConvTranspose, Dequantize, MatMul
from edgec.passes.driver import Statistics
from edgec.passes.pattern import Miss
from edgec.passes.quantize.existing import as_floats
from edgec.passes.quantize.grids import Scales
from edgec.passes.quantize.layers import (
    has_scale,
    inputs_of,
    output_axis,
    stored_rows,
    weight_scales,
)
from edgec.passes.quantize.safety import (
    LARGEST_BIAS,
    LARGEST_SUM,
    Inputs,
    Rows,
    safe_scales,
    stored_weights,
    worst_sums,
)
from edgec.passes.quantize.slots import BIAS_SLOT, WEIGHT_SLOT, is_stored_constant

_RATIOS = np.linspace(1.0, 0.5, 26)  # of the largest weight, tried for the least squared error


def _min_max(rows: Rows, limit: int) -> Scales:
    """The largest weight is the largest integer."""
    return np.asarray(np.abs(rows).max(axis=1, initial=0) / limit)


def _least_squares(rows: Rows, limit: int) -> Scales:
    """The scale with the least squared error, clipped weights included."""
    largest = _min_max(rows, limit)
    best, least = largest, np.full(len(rows), np.inf)
    for ratio in _RATIOS:
        scales = np.maximum(largest * ratio, np.finfo(np.float64).tiny)
        restored = stored_weights(rows, scales, limit) * scales[:, np.newaxis]
        error = np.square(restored - rows).sum(axis=1)
        best = np.where(error < least, scales, best)
        least = np.minimum(error, least)
    return np.where(largest > 0, best, 0)


METHODS: Mapping[str, Callable[[Rows, int], Scales]] = {
    "minmax": _min_max,
    "mse": _least_squares,
}


@dataclass
class WeightQuantizer:
    """Stores the weights and biases of ops; equal weights on equal scales are stored once."""

    scheme: QuantScheme
    per_channel: bool
    method: str
    statistics: Statistics
    _made: dict[tuple[Any, ...], Value] = field(default_factory=dict)

    def quantize(self, op: Op, x: Grid) -> None:
        """Let the op read weights, and a bias where it has one, that are stored in integers."""
        assert op.graph is not None
        rw = Rewriter(op.graph).at(op)
        inputs = inputs_of(x, self.scheme)
        self._free_bias(op, inputs, rw)
        weight = op.operands[WEIGHT_SLOT]
        if isinstance(weight, Constant):
            rw.set_operand(op, WEIGHT_SLOT, self._stored(op, weight, inputs, rw))
        elif not self._is_safe(op, inputs, rw):
            return
        bias = op.operands[BIAS_SLOT]
        if isinstance(bias, Constant) and self.scheme.bias is not None:
            rw.set_operand(op, BIAS_SLOT, self._stored_bias(op, bias, inputs, rw))

    def _free_bias(self, op: Op, x: Inputs, rw: Rewriter) -> None:
        """Read a bias that the model stores back into floats where the target wants it so, or where
        its scale is not that of the sum."""
        bias, weight = op.operands[BIAS_SLOT], op.operands[WEIGHT_SLOT]
        if bias is None or weight is None or not is_stored_constant(bias):
            return
        scales = weight_scales(op, weight)
        read = bias.producer
        assert isinstance(read, Dequantize)
        wanted = None if scales is None else np.float32(x.scale) * scales
        if self.scheme.bias is None or wanted is None or not has_scale(read, wanted):
            rw.set_operand(op, BIAS_SLOT, as_floats(bias))

    def _is_safe(self, op: Op, x: Inputs, rw: Rewriter) -> bool:
        """True when no sum of the model's own integer weights leaves i32; such a layer is given
        back its float weights."""
        weight = op.operands[WEIGHT_SLOT]
        assert weight is not None
        if np.all(worst_sums(stored_rows(op, weight), x) <= LARGEST_SUM - LARGEST_BIAS):
            return True
        rw.set_operand(op, WEIGHT_SLOT, as_floats(weight))
        reason = "it stays float: the worst sum of its integers leaves 32 bits"
        self.statistics.missed("quantize", Miss(reason), op)
        return False

    def _stored(self, op: Op, weight: Constant, x: Inputs, rw: Rewriter) -> Value:
        limit = self.scheme.weight_limit
        axis = output_axis(op, weight)
        shared = not self._has_channels(op, weight)
        rows = _rows(weight.array, axis)
        proposed = METHODS[self.method](rows, limit)
        if shared:
            proposed = np.full(len(rows), proposed.max(initial=0))
        safe = safe_scales(proposed, rows, self._bias_rows(op), x, limit, shared=shared)
        self._report(op, safe.raised, safe.dead)
        key = (weight, axis, shared, safe.scales.tobytes())
        if key not in self._made:
            stored = _unrows(stored_weights(rows, safe.scales, limit), weight.array.shape, axis)
            data = rw.constant(stored.astype(np.int8), weight.hint)
            scale = safe.scales.astype(np.float32)
            parameter = scale[0] if shared else scale
            self._made[key] = _dequantized(data, parameter, axis, rw, f"{weight.hint}.dq")
        return self._made[key]

    def _has_channels(self, op: Op, weight: Constant) -> bool:
        """True when each output channel gets a scale of its own."""
        if not self.per_channel or type(op) not in self.scheme.per_channel:
            return False
        return not isinstance(op, MatMul) or weight.type.rank == 2

    def _bias_rows(self, op: Op) -> Rows | None:
        """The bias by the rows of the weights that it is stored with."""
        bias = op.operands[BIAS_SLOT]
        if not isinstance(bias, Constant) or self.scheme.bias is None:
            return None
        groups = op.groups if isinstance(op, ConvTranspose) else 1
        return bias.array.astype(np.float64).reshape(groups, -1).T

    def _stored_bias(self, op: Op, bias: Constant, x: Inputs, rw: Rewriter) -> Value:
        weight = op.operands[WEIGHT_SLOT]
        scales = None if weight is None else weight_scales(op, weight)
        if scales is None:
            self.statistics.missed("quantize", Miss("the weights' scales are not known"), op)
            return bias
        combined = np.float32(x.scale) * scales
        data = bias.array.astype(np.float64).reshape(-1)
        stored = np.rint(data / combined.astype(np.float64))
        if not np.all(np.abs(stored) <= LARGEST_BIAS):
            reason = "the bias stays float: on the model's own scales it leaves i32"
            self.statistics.missed("quantize", Miss(reason), op)
            return bias
        held = rw.constant(stored.astype(np.int32), bias.hint)
        return _dequantized(held, combined, 0, rw, f"{bias.hint}.dq")

    def _report(self, op: Op, raised: dict[str, int], dead: int) -> None:
        for rule, channels in raised.items():
            self.statistics.applied[f"raise weight scale for the {rule}"] += channels
            self.statistics.missed("quantize", Miss(_RAISED[rule]), op)
        if dead:
            self.statistics.applied["give dead channels a scale"] += dead


_RAISED = {
    "scale": "the scale of some weights is raised to a normal float32",
    "bias": "the scale of some weights is raised so that the bias fits 32 bits",
    "sum": "the scale of some weights is raised so that the sum fits 32 bits",
}


def _rows(data: Array, axis: int) -> Rows:
    return np.moveaxis(data.astype(np.float64), axis, 0).reshape(data.shape[axis], -1)


def _unrows(rows: Rows, shape: tuple[int, ...], axis: int) -> Array:
    moved = (shape[axis], *shape[:axis], *shape[axis + 1 :])
    return np.ascontiguousarray(np.moveaxis(rows.reshape(moved), 0, axis))


def _dequantized(data: Constant, scale: Array, axis: int, rw: Rewriter, hint: str) -> Value:
    """The stored constant, read: on one scale, or on one per slice along ``axis``."""
    held = rw.constant(np.asarray(scale), f"{hint}.scale")
    made = rw.add(Dequantize(data, held, axis=axis if held.type.rank else 1)).result
    made.hint = hint
    return made
