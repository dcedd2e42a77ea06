"""Functions of single quantized integers, and softmax."""

from __future__ import annotations

from collections.abc import Mapping

from edgec.ir import dtypes
from edgec.ir.op import Op, OpError, Types, attr, operand
from edgec.ir.ops.integer import Quantized, draw_grid, draw_quantized, grid, grid_of
from edgec.ir.sampling import Sampler
from edgec.ir.traits import Elementwise
from edgec.ir.types import Quant, TensorType
from edgec.ir.value import Value

FUNCTIONS = ("sigmoid", "tanh", "exp", "elu", "gelu", "gelu_tanh")
# Grids that TFLite fixes: scale, zero point.
PROBABILITIES = (1 / 256, -128)
FIXED_GRIDS: Mapping[str, tuple[float, int]] = {"sigmoid": PROBABILITIES, "tanh": (1 / 128, 0)}


class IntegerPointwise(Quantized):
    """Base of the functions of one element: each of the 256 integers has one result."""

    x: Value = operand()

    def infer(self) -> Types:
        grid_of(self.x)
        return (TensorType(dtypes.i8, self.x.type.dims, self.grid),)

    def check(self) -> None:
        if self.activation != "none":
            raise OpError(f"{self.op_name} takes no activation, found {self.activation!r}")


class IntegerLookup(IntegerPointwise, name="integer.lookup", traits=(Elementwise,)):
    """y = f(x) on its grid, from a table of 256 entries computed in float32 (TFLite LOGISTIC,
    TANH, EXP, ELU, GELU)

    ``function`` names f: sigmoid, tanh, exp, elu, gelu, gelu_tanh (its approximation by tanh).
    sigmoid has the grid (1/256, -128), tanh (1/128, 0).
    """

    function: str = attr(kw_only=True)

    def check(self) -> None:
        super().check()
        if self.function not in FUNCTIONS:
            raise OpError(f"function is one of {FUNCTIONS}, found {self.function!r}")
        fixed = FIXED_GRIDS.get(self.function)
        if fixed is not None and fixed != (self.scale, self.zero_point):
            raise OpError(f"{self.function} has scale {fixed[0]}, zero_point {fixed[1]}")

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        function = draw.choice(FUNCTIONS)
        scale, zero_point = FIXED_GRIDS.get(function) or draw_grid(draw)
        x = draw_quantized(draw, draw.shape(draw.integer(0, 4)))
        return cls(x, function=function, scale=scale, zero_point=zero_point)


class IntegerHardSwish(IntegerPointwise, name="integer.hard_swish", traits=(Elementwise,)):
    """y = x * min(max(x / 6 + 1/2, 0), 1) on its grid, in 16-bit fixed point (TFLite HARD_SWISH)"""

    def check(self) -> None:
        super().check()
        if self.scale * 128 <= grid_of(self.x).scale[0]:
            raise OpError(f"scale is below 1/128 of that of x: {self.scale}")

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        scale, zero_point = draw_grid(draw)
        x = draw_quantized(draw, draw.shape(draw.integer(0, 4)))
        return cls(x, scale=scale, zero_point=zero_point)


class IntegerLeakyRelu(IntegerPointwise, name="integer.leaky_relu", traits=(Elementwise,)):
    """y = x where x >= 0, else alpha * x, on its grid (TFLite LEAKY_RELU)"""

    alpha: float = attr(default=0.01)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        scale, zero_point = draw_grid(draw)
        x = draw_quantized(draw, draw.shape(draw.integer(0, 4)))
        return cls(x, alpha=draw.integer(-9, 15) / 10, scale=scale, zero_point=zero_point)


class IntegerSoftmax(Op, name="integer.softmax"):
    """y = e**(beta * x) / sum of e**(beta * x) along ``axis``, in fixed point, with scale 1/256
    and zero point -128 (TFLite SOFTMAX)"""

    x: Value = operand()
    axis: int = attr()
    beta: float = attr(default=1.0)

    @property
    def grid(self) -> Quant:
        """What the integers of the result stand for."""
        return grid(*PROBABILITIES)

    def infer(self) -> Types:
        grid_of(self.x)
        if not 0 <= self.axis < self.x.type.rank:
            raise OpError(f"axis {self.axis} is out of range for {self.x.type}")
        return (TensorType(dtypes.i8, self.x.type.dims, self.grid),)

    def check(self) -> None:
        if not self.beta > 0:
            raise OpError(f"beta is positive, found {self.beta}")

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        rank = draw.integer(1, 4)
        x = draw_quantized(draw, draw.shape(rank, 1, 8))
        return cls(x, axis=draw.integer(0, rank - 1), beta=draw.choice((1.0, 1.0, 0.5)))
