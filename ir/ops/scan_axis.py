"""Reductions along one axis that keep positions: arg max and min, running sums and products."""

from __future__ import annotations

from edgec.ir import dtypes
from edgec.ir.op import Op, OpError, Types, attr, operand
from edgec.ir.ops.common import require_family
from edgec.ir.sampling import NUMERIC, Sampler
from edgec.ir.traits import Linear
from edgec.ir.value import Value

WIDE = (dtypes.f32, dtypes.f32, dtypes.f64, dtypes.f16, dtypes.i32, dtypes.i64)


class ArgExtreme(Op):
    """Base of arg max and arg min: positions (i64) along ``axis``, of the first of several equal
    elements, or of the last one."""

    x: Value = operand()
    axis: int = attr()
    keepdims: bool = attr(default=True)
    last: bool = attr(default=False)

    def infer(self) -> Types:
        require_family(self.x, ("float", "int", "uint"))
        _require_axis(self.x, self.axis)
        dims = list(self.x.type.dims)
        if dims[self.axis] == 0:
            raise OpError(f"axis {self.axis} of {self.x.type} has no elements")
        dims[self.axis : self.axis + 1] = [1] if self.keepdims else []
        return (self.x.type.with_dims(tuple(dims)).with_dtype(dtypes.i64),)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        rank = draw.integer(1, 4)
        x = draw.value(draw.choice(NUMERIC), draw.shape(rank))
        axis = draw.integer(0, rank - 1)
        return cls(x, axis=axis, keepdims=draw.chance(), last=draw.chance())


class ArgMax(ArgExtreme, name="reduce.arg_max"):
    """y = the position of the largest x along ``axis``"""


class ArgMin(ArgExtreme, name="reduce.arg_min"):
    """y = the position of the smallest x along ``axis``"""


class Running(Op):
    """Base of the running sums and products along ``axis``; ``exclusive`` leaves the element
    itself out, ``reverse`` begins at the end."""

    x: Value = operand()
    axis: int = attr()
    exclusive: bool = attr(default=False)
    reverse: bool = attr(default=False)

    def infer(self) -> Types:
        require_family(self.x, ("float", "int", "uint"))
        _require_axis(self.x, self.axis)
        return (self.x.type,)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        rank = draw.integer(1, 4)
        x = draw.value(draw.choice(WIDE), draw.shape(rank))
        axis = draw.integer(0, rank - 1)
        return cls(x, axis=axis, exclusive=draw.chance(), reverse=draw.chance())


class CumSum(Running, name="reduce.cum_sum", traits=(Linear("x"),)):
    """y[i] = sum of x[j] for j <= i"""


class CumProd(Running, name="reduce.cum_prod"):
    """y[i] = product of x[j] for j <= i"""


def _require_axis(x: Value, axis: int) -> None:
    if not 0 <= axis < x.type.rank:
        raise OpError(f"axis {axis} is out of range for {x.type}")
