"""Reductions over axes. Those along one axis (arg max, running sums) are in ``scan_axis.py``."""

from __future__ import annotations

from typing import ClassVar

from edgec.ir import dtypes
from edgec.ir.contents import Contents, as_contents, contents
from edgec.ir.dims import Dim, dim_max, dim_min
from edgec.ir.dtypes import DType, Family
from edgec.ir.op import Ints, Op, OpError, Types, Work, attr, operand
from edgec.ir.ops.common import require_family
from edgec.ir.ops.ratios import fitting
from edgec.ir.sampling import FLOATS, NUMERIC, Sampler
from edgec.ir.traits import Linear
from edgec.ir.value import Value

NUMBER: tuple[Family, ...] = ("float", "int", "uint")
WIDE = (dtypes.f32, dtypes.f32, dtypes.f64, dtypes.f16, dtypes.i32, dtypes.i64)


class Reduce(Op):
    """Base of the reductions over ``axes`` (ascending; none means every element by itself).

    The axes become 1 with ``keepdims``, and vanish without.
    """

    accepts: ClassVar[tuple[Family, ...]] = NUMBER
    sampled: ClassVar[tuple[DType, ...]] = WIDE
    domain: ClassVar[tuple[float, float]] = (-3.0, 3.0)

    x: Value = operand()
    axes: Ints = attr()
    keepdims: bool = attr(default=True)

    def infer(self) -> Types:
        require_family(self.x, self.accepts)
        rank = self.x.type.rank
        if any(not 0 <= axis < rank for axis in self.axes):
            raise OpError(f"axes {list(self.axes)} are out of range for {self.x.type}")
        if any(b <= a for a, b in zip(self.axes, self.axes[1:], strict=False)):
            raise OpError(f"axes want to be ascending, found {list(self.axes)}")
        return (self.x.type.with_dims(self._reduced(self.x.type.dims)),)

    def _reduced(self, dims: tuple[Dim, ...]) -> tuple[Dim, ...]:
        if self.keepdims:
            return tuple(1 if axis in self.axes else dim for axis, dim in enumerate(dims))
        return tuple(dim for axis, dim in enumerate(dims) if axis not in self.axes)

    def work(self) -> Work:
        touched = self.x.type.nbytes() + self.result.type.nbytes()
        return Work(flops=self.x.type.elements(), bytes=touched)

    def fold(self, elements: list[Dim]) -> Dim | None:
        """The reduction of known dims, where it is one; None otherwise."""
        return None

    def contents(self, index: int) -> Contents | None:
        found = contents(self.x)
        dims = self.result.type.static_dims
        if found is None or dims is None or self.axes != tuple(range(self.x.type.rank)):
            return None
        total = self.fold(list(found.reshape(-1)))
        if total is None:
            return None
        return fitting(as_contents([total]).reshape(dims), self.x.type.dtype)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        rank = draw.integer(0, 4)
        axes = tuple(axis for axis in range(rank) if draw.chance(0.6))
        low, high = cls.domain
        x = draw.value(draw.choice(cls.sampled), draw.shape(rank), low=low, high=high)
        return cls(x, axes=axes, keepdims=draw.chance(0.7))


class ReduceSum(Reduce, name="reduce.sum", traits=(Linear("x"),)):
    """y = sum of x"""

    def fold(self, elements: list[Dim]) -> Dim | None:
        total: Dim = 0
        for element in elements:
            total = total + element
        return total


class ReduceMean(Reduce, name="reduce.mean", traits=(Linear("x"),)):
    """y = sum of x / their number, truncated towards zero for integers"""


class ReduceMax(Reduce, name="reduce.max"):
    """y = the largest x, NaN where one is; the smallest value of the type where there is none"""

    accepts = (*NUMBER, "bool")
    sampled = (*NUMERIC, dtypes.boolean)

    def fold(self, elements: list[Dim]) -> Dim | None:
        return dim_max(*elements) if elements else None


class ReduceMin(Reduce, name="reduce.min"):
    """y = the smallest x, NaN where one is; the largest value of the type where there is none"""

    accepts = (*NUMBER, "bool")
    sampled = (*NUMERIC, dtypes.boolean)

    def fold(self, elements: list[Dim]) -> Dim | None:
        return dim_min(*elements) if elements else None


class ReduceProd(Reduce, name="reduce.prod"):
    """y = product of x"""

    def fold(self, elements: list[Dim]) -> Dim | None:
        total: Dim = 1
        for element in elements:
            total = total * element
        return total


class ReduceL1(Reduce, name="reduce.l1"):
    """y = sum of |x|"""


class ReduceL2(Reduce, name="reduce.l2"):
    """y = square root of the sum of x**2"""

    sampled = FLOATS


class ReduceLogSum(Reduce, name="reduce.log_sum"):
    """y = log(sum of x)"""

    accepts = ("float",)
    sampled = FLOATS
    domain = (0.1, 3.0)


class ReduceLogSumExp(Reduce, name="reduce.log_sum_exp"):
    """y = log(sum of e**x)"""

    accepts = ("float",)
    sampled = FLOATS


class ReduceSumSquare(Reduce, name="reduce.sum_square"):
    """y = sum of x**2"""
