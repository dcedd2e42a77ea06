"""Ops on quantized integers in TFLite's int8 arithmetic: grids, the ways onto and off them.

Operands are i8 values whose types say what they stand for (``Quant``); the attributes ``scale``
and ``zero_point`` give the grid of the result. Ops that only move or compare elements (concat, pad
with the zero point, max pool, nearest resize, reshape, …) need no twin here: they take quantized
types as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import numpy as np

from edgec.ir import dtypes
from edgec.ir.op import Op, OpError, Types, attr, operand
from edgec.ir.sampling import Sampler
from edgec.ir.traits import Elementwise
from edgec.ir.types import Quant, TensorType
from edgec.ir.value import Value

LOWEST, HIGHEST = -128, 127

# The activations that TFLite's ops carry, as bounds of the real result.
ACTIVATIONS: Mapping[str, tuple[float, float]] = {
    "none": (-inf, inf),
    "relu": (0.0, inf),
    "relu6": (0.0, 6.0),
    "relu_n1_to_1": (-1.0, 1.0),
}


class Quantized(Op):
    """Base of the ops whose result lies on a grid of its own.

    ``scale`` is a float32 number, as files store it; ``activation`` bounds the real result.
    """

    scale: float = attr(kw_only=True)
    zero_point: int = attr(default=0, kw_only=True)
    activation: str = attr(default="none", kw_only=True)

    def check(self) -> None:
        check_activation(self.activation)

    @property
    def grid(self) -> Quant:
        """What the integers of the result stand for. Raises OpError when that is no i8 grid."""
        return grid(self.scale, self.zero_point)


def grid(scale: float, zero_point: int) -> Quant:
    """An i8 grid of one scale. Raises OpError when the numbers are none."""
    with np.errstate(over="ignore"):
        stored = float(np.float32(scale))
    if not (np.finfo(np.float32).tiny <= stored < inf) or stored != scale:
        raise OpError(f"scale wants a positive, normal float32 number, found {scale!r}")
    if not LOWEST <= zero_point <= HIGHEST:
        raise OpError(f"zero_point lies in {LOWEST}…{HIGHEST}, found {zero_point}")
    return Quant((scale,), (zero_point,), None, LOWEST, HIGHEST)


def grid_of(value: Value) -> Quant:
    """The i8 grid of an operand. Raises OpError when its type has none with one scale."""
    quant = value.type.quant
    if value.type.dtype is not dtypes.i8 or quant is None or quant.axis is not None:
        raise OpError(f"wants i8 quantized with one scale, found {value.type}")
    return quant


def check_activation(activation: str) -> None:
    """Raises OpError when there is no such activation."""
    if activation not in ACTIVATIONS:
        raise OpError(f"activation is one of {list(ACTIVATIONS)}, found {activation!r}")


class IntegerQuantize(Quantized, name="integer.quantize", traits=(Elementwise,)):
    """y = saturate(round(x / scale) + zero_point), halves away from zero (TFLite QUANTIZE)

    The quotient is rounded to float32 first.
    """

    x: Value = operand()

    def infer(self) -> Types:
        if self.x.type.dtype is not dtypes.f32:
            raise OpError(f"x wants f32, found {self.x.type}")
        return (TensorType(dtypes.i8, self.x.type.dims, self.grid),)

    def check(self) -> None:
        if self.activation != "none":
            raise OpError(f"quantize takes no activation, found {self.activation!r}")

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        scale, zero_point = draw_grid(draw)
        x = draw.value(dtypes.f32, draw.shape(draw.integer(0, 4)), low=-9, high=9)
        return cls(x, scale=scale, zero_point=zero_point)


class IntegerDequantize(Op, name="integer.dequantize", traits=(Elementwise,)):
    """y = scale * (x - zero_point) by the type of x, in float32 (TFLite DEQUANTIZE)"""

    x: Value = operand()

    def infer(self) -> Types:
        grid_of(self.x)
        return (TensorType(dtypes.f32, self.x.type.dims),)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        return cls(draw_quantized(draw, draw.shape(draw.integer(0, 4))))


class IntegerRequantize(Quantized, name="integer.requantize", traits=(Elementwise,)):
    """y = act(x) on another grid (TFLite QUANTIZE of int8; RELU, RELU6, RELU_N1_TO_1)"""

    x: Value = operand()

    def infer(self) -> Types:
        grid_of(self.x)
        return (TensorType(dtypes.i8, self.x.type.dims, self.grid),)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        return cls(draw_quantized(draw, draw.shape(draw.integer(0, 4))), **draw_result(draw))


# -- drawing samples --------------------------------------------------------------------------


def draw_grid(draw: Sampler, low: float = 0.004, high: float = 0.2) -> tuple[float, int]:
    """A scale in low…high, evenly by its logarithm, and any zero point."""
    exponent = draw.rng.uniform(np.log(low), np.log(high))
    return float(np.float32(np.exp(exponent))), draw.integer(LOWEST, HIGHEST)


def draw_result(draw: Sampler, low: float = 0.004, high: float = 0.2) -> dict[str, Any]:
    """Attributes of a result: its grid, and an activation now and then."""
    scale, zero_point = draw_grid(draw, low, high)
    activation = draw.choice(("none", "none", *ACTIVATIONS))
    return {"scale": scale, "zero_point": zero_point, "activation": activation}


def draw_quantized(
    draw: Sampler, dims: Sequence[int], quant: Quant | None = None, lowest: int = LOWEST
) -> Value:
    """A graph input of quantized integers in lowest…127, on a drawn grid or on that given."""
    found = quant or grid(*draw_grid(draw))
    array = draw.rng.integers(lowest, HIGHEST + 1, tuple(dims)).astype(np.int8)
    value = draw.given(array)
    value.type = TensorType(dtypes.i8, value.type.dims, found)
    return value


def draw_weights(draw: Sampler, dims: Sequence[int]) -> Value:
    """Symmetric weights in -127…127, per output channel (the first axis) or with one scale."""
    count = draw.choice((1, dims[0]))
    scales = tuple(draw_grid(draw, 0.001, 0.02)[0] for _ in range(count))
    axis = 0 if count == dims[0] else None
    return draw_quantized(draw, dims, Quant(scales, (0,) * count, axis, -127, 127), lowest=-127)
