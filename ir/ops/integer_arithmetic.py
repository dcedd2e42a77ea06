"""Arithmetic of quantized integers: sums, differences, products, means."""

from __future__ import annotations

from edgec.ir import dtypes
from edgec.ir.op import Ints, Op, OpError, Types, Work, attr, operand
from edgec.ir.ops.binary import broadcast_shapes
from edgec.ir.ops.common import broadcast
from edgec.ir.ops.integer import Quantized, draw_quantized, draw_result, grid_of
from edgec.ir.sampling import Sampler
from edgec.ir.traits import Commutative, Elementwise
from edgec.ir.types import TensorType
from edgec.ir.value import Value

LEFT_SHIFT = 20  # bits that sums are computed with below the operands' steps


class IntegerBinary(Quantized):
    """Base of the elementwise functions of two operands, each on a grid of its own."""

    x: Value = operand()
    y: Value = operand()

    def infer(self) -> Types:
        grid_of(self.x)
        grid_of(self.y)
        return (TensorType(dtypes.i8, broadcast(self.x.type, self.y.type), self.grid),)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        x_dims, y_dims = broadcast_shapes(draw)
        x, y = draw_quantized(draw, x_dims), draw_quantized(draw, y_dims)
        return cls(x, y, **draw_result(draw))


class _Sum(IntegerBinary):
    """Base of sums, which are computed on a step of 2^-20 of twice the larger scale."""

    def check(self) -> None:
        super().check()
        largest = max(grid_of(self.x).scale[0], grid_of(self.y).scale[0])
        if 2 * largest >= self.scale * 2**LEFT_SHIFT:
            raise OpError(f"scale is too small for operands with scale {largest}: {self.scale}")


class IntegerAdd(_Sum, name="integer.add", traits=(Elementwise, Commutative)):
    """z = act(x + y) on its grid (TFLite ADD)"""


class IntegerSub(_Sum, name="integer.sub", traits=(Elementwise,)):
    """z = act(x - y) on its grid (TFLite SUB)"""


class IntegerMul(IntegerBinary, name="integer.mul", traits=(Elementwise, Commutative)):
    """z = act(x * y) on its grid (TFLite MUL)"""


class IntegerMean(Quantized, name="integer.mean"):
    """y = mean of x over ``axes`` (ascending) on its grid (TFLite MEAN)

    The axes become 1 with ``keepdims``, and vanish without.
    """

    x: Value = operand()
    axes: Ints = attr(kw_only=True)
    keepdims: bool = attr(default=True)

    def infer(self) -> Types:
        grid_of(self.x)
        dims = self.x.type.dims
        if any(not 0 <= axis < len(dims) for axis in self.axes):
            raise OpError(f"axes {list(self.axes)} are out of range for {self.x.type}")
        if any(b <= a for a, b in zip(self.axes, self.axes[1:], strict=False)):
            raise OpError(f"axes want to be ascending, found {list(self.axes)}")
        kept = tuple(1 if axis in self.axes else dim for axis, dim in enumerate(dims))
        left = tuple(dim for axis, dim in enumerate(dims) if axis not in self.axes)
        return (TensorType(dtypes.i8, kept if self.keepdims else left, self.grid),)

    def check(self) -> None:
        if self.activation != "none":
            raise OpError(f"mean takes no activation, found {self.activation!r}")

    def work(self) -> Work:
        touched = self.x.type.nbytes() + self.result.type.nbytes()
        return Work(flops=self.x.type.elements(), bytes=touched)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        rank = draw.integer(1, 4)
        axes = tuple(axis for axis in range(rank) if draw.chance(0.6)) or (rank - 1,)
        x = draw_quantized(draw, draw.shape(rank, 1, 7))
        result = draw_result(draw) | {"activation": "none"}
        return cls(x, axes=axes, keepdims=draw.chance(), **result)
