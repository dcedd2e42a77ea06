"""What is known around an op between dequantize and quantize: integers, a grid, a clamp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgec.ir import Array, Constant, Op, OpError, Quant, Rewriter, TensorType, Value, dtypes
from edgec.ir.ops import (
    Clip,
    Dequantize,
    IntegerDequantize,
    IntegerQuantize,
    IntegerRequantize,
    Maximum,
    Minimum,
    Quantize,
    Relu,
)
from edgec.ir.ops.integer import HIGHEST, LOWEST, grid
from edgec.ir.ops.quant import is_per_tensor

_SHIFTS = {dtypes.i8: 0, dtypes.u8: 128}  # what makes i8 of them when subtracted
_NAMED = {(0.0, np.inf): "relu", (0.0, 6.0): "relu6", (-1.0, 1.0): "relu_n1_to_1"}
CLAMPS = ("none", "relu", "clip")


@dataclass
class Site:
    """Where the integer form of one op is built.

    Attributes:
        rw: inserts at the op.
        grid: of all quantize ops that read the result, None when something else reads it.
        act: the clamp behind the op, or that it carries: ``none``, ``relu`` or ``clip``.
        act_params: its bounds.
    """

    rw: Rewriter
    grid: Quant | None
    act: str
    act_params: tuple[float, ...]

    def integer(self, value: Value | None) -> Value | None:
        """The integers that a float value was read from, None when it was not."""
        if value is None:
            return None
        producer = value.producer
        if isinstance(producer, IntegerDequantize):
            return producer.x
        if isinstance(producer, Dequantize) and isinstance(producer.x, Constant):
            found = grid_between(producer)
            return None if found is None else _on_grid(producer.x, found)
        return None

    def add(self, op: Op) -> Value:
        """Insert an op and give its result."""
        return self.rw.add(op).result

    def requantized(self, value: Value, wanted: Quant) -> Value:
        """The value on another grid; itself where it is on that."""
        if value.type.quant == wanted:
            return value
        return self.add(
            IntegerRequantize(value, scale=wanted.scale[0], zero_point=wanted.zero_point[0])
        )

    def fields(self) -> dict[str, Any]:
        """Attributes of an op with its result on ``grid`` and the clamp as its activation."""
        assert self.grid is not None
        scale, point = self.grid.scale[0], self.grid.zero_point[0]
        return {"scale": scale, "zero_point": point, "activation": self._activation() or "none"}

    def clamped(self, value: Value) -> Value:
        """A result made with ``fields``, compared with the bounds where these are no activation."""
        assert self.grid is not None
        if self._activation() is not None:
            return value
        step, point = np.float32(self.grid.scale[0]), self.grid.zero_point[0]
        for compare, bound in zip((Maximum, Minimum), self._bounds(), strict=True):
            if np.isfinite(bound):
                steps = np.clip(np.rint(np.float32(bound) / step) + point, LOWEST, HIGHEST)
                type = TensorType(dtypes.i8, (), self.grid)
                value = self.add(compare(value, Constant(np.array(steps, np.int8), type=type)))
        return value

    def _bounds(self) -> tuple[float, float]:
        if self.act == "clip":
            return self.act_params[0], self.act_params[1]
        return (0.0 if self.act == "relu" else -np.inf), np.inf

    def _activation(self) -> str | None:
        """The clamp as an activation, None when there is no such one. What the ends of the grid do
        anyway need not be named."""
        assert self.grid is not None
        low, high = self._bounds()
        named = _NAMED.get((low, high))
        if named is not None:
            return named
        step, point = self.grid.scale[0], self.grid.zero_point[0]
        if high < (HIGHEST - point - 0.5) * step:
            return None
        return "none" if low <= (LOWEST - point + 0.5) * step else "relu" if low == 0 else None


def site_of(op: Op) -> tuple[Site, Op]:
    """The site of an op, and the op whose results its integer form replaces: the clamp behind it,
    where there is one."""
    assert op.graph is not None
    rw = Rewriter(op.graph).at(op)
    act, params = getattr(op, "act", "none"), getattr(op, "act_params", ())
    last = op
    if act == "none" and not isinstance(op, (Relu, Clip)) and len(op.results) == 1:
        [*users] = op.result.users
        if len(users) == 1 and isinstance(users[0], (Relu, Clip)):
            last = users[0]
            act, params = clamp_of(last)
    return Site(rw, _grid_behind(last), act, params), last


def clamp_of(op: Relu | Clip) -> tuple[str, tuple[float, ...]]:
    """A clamp as the activation that an op may carry."""
    return ("relu", ()) if isinstance(op, Relu) else ("clip", (op.low, op.high))


def _grid_behind(op: Op) -> Quant | None:
    """The one grid on which everything reads the result."""
    if len(op.results) != 1:
        return None
    users = op.result.users
    grids = {user.grid for user in users if isinstance(user, IntegerQuantize)}
    if len(grids) != 1 or not all(isinstance(user, IntegerQuantize) for user in users):
        return None
    return grids.pop()


def grid_between(op: Quantize | Dequantize) -> Quant | None:
    """The i8 grid of a quantize or dequantize with one constant scale; u8 is shifted to it."""
    stored = op.to if isinstance(op, Quantize) else op.x.type.dtype
    real = op.x.type.dtype if isinstance(op, Quantize) else op.to
    scale, point = op.scale, op.zero_point
    if stored not in _SHIFTS or real is not dtypes.f32 or op.block:
        return None
    if not (is_per_tensor(scale) and isinstance(scale, Constant)):
        return None
    if scale.type.dtype is not dtypes.f32 or not (point is None or isinstance(point, Constant)):
        return None
    stored_point = 0 if point is None else int(point.array.reshape(()))
    try:
        return grid(float(scale.array.reshape(())), stored_point - _SHIFTS[stored])
    except OpError:
        return None


def _on_grid(value: Constant, quant: Quant) -> Constant:
    """Stored integers with their grid in the type."""
    array = as_i8(value.array)
    return Constant(array, hint=value.hint, type=TensorType(dtypes.i8, value.type.dims, quant))


def as_i8(array: Array) -> Array:
    """u8 integers shifted to i8."""
    return array if array.dtype == np.int8 else (array.astype(np.int16) - 128).astype(np.int8)
