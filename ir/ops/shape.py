"""Ops that compute with shapes, and ops that make tensors of a computed shape."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgec.ir import dtypes
from edgec.ir.contents import Contents, as_contents, contents, known_ints
from edgec.ir.dims import ANY, Dim, DimExpr, dim_max
from edgec.ir.dtypes import DType
from edgec.ir.op import Op, OpError, Types, Work, attr, operand
from edgec.ir.ops.common import same_dtype
from edgec.ir.sampling import NUMERIC, Sampler
from edgec.ir.types import TensorType
from edgec.ir.value import Constant, Value


class DimsOf(Op, name="shape.dims_of"):
    """y = dims of x from number ``start`` up to ``end`` (to the last one when it is absent)"""

    x: Value = operand()
    start: int = attr(default=0)
    end: int | None = attr(default=None)

    @property
    def dims(self) -> tuple[Dim, ...]:
        """The dims that the result holds."""
        return self.x.type.dims[self.start : self.end]

    def infer(self) -> Types:
        return (TensorType(dtypes.i64, (len(self.dims),)),)

    def check(self) -> None:
        end = self.x.type.rank if self.end is None else self.end
        if not 0 <= self.start <= end <= self.x.type.rank:
            raise OpError(f"dims {self.start} up to {end} are not those of {self.x.type}")

    def contents(self, index: int) -> Contents | None:
        return as_contents(list(self.dims))

    def work(self) -> Work:
        return Work(bytes=self.result.type.nbytes())

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        rank = draw.integer(0, 4)
        x = draw.value(draw.choice(NUMERIC), draw.shape(rank))
        if draw.chance(0.3):
            return cls(x)
        start = draw.integer(0, rank)
        return cls(x, start=start, end=draw.choice((None, draw.integer(start, rank))))


class CountOf(Op, name="shape.count_of"):
    """y = number of elements of x"""

    x: Value = operand()

    def infer(self) -> Types:
        return (TensorType(dtypes.i64, ()),)

    def contents(self, index: int) -> Contents | None:
        count: Dim = 1
        for dim in self.x.type.dims:
            count = count * dim
        return as_contents(count)

    def work(self) -> Work:
        return Work(bytes=self.result.type.nbytes())

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        return cls(draw.value(draw.choice(NUMERIC), draw.shape(draw.integer(0, 4))))


class Fill(Op, name="shape.fill"):
    """y = ``value`` everywhere, under the dims that the operand ``shape`` (i64[rank]) lists"""

    shape: Value = operand()
    value: int | float = attr()
    dtype: DType = attr(default=dtypes.f32)

    def infer(self) -> Types:
        return (TensorType(self.dtype, listed_dims(self.shape, "shape")),)

    def check(self) -> None:
        if self.dtype.is_integer:
            low, high = self.dtype.limits
            if not low <= self.value <= high:
                raise OpError(f"value wants to lie in {low}…{high}, found {self.value}")

    def contents(self, index: int) -> Contents | None:
        dims = self.result.type.static_dims
        if dims is None or self.dtype.is_float:
            return None
        return np.full(dims, int(self.value), dtype=object)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dims = draw.const(draw.shape(draw.integer(0, 4), 0, 4))
        dtype = draw.choice((*NUMERIC, dtypes.boolean))
        return cls(dims, value=draw.choice((0, 1, 1)) if dtype.bits < 16 else -7, dtype=dtype)


class Range(Op, name="shape.range"):
    """y[i] = start + i * delta  for 0 <= i < max(ceil((limit - start) / delta), 0)"""

    start: Value = operand()
    limit: Value = operand()
    delta: Value = operand()

    def infer(self) -> Types:
        same_dtype(self.start, self.limit, self.delta)
        for value in self.present_operands:
            if value.type.static_dims is None or value.type.elements() != 1:
                raise OpError(f"start, limit and delta want one element, found {value.type}")
        return (TensorType(self.start.type.dtype, (self._count(),)),)

    def _count(self) -> Dim:
        if self.start.type.dtype.is_float:
            return self._count_of_floats()
        found = self._bounds()
        if found is None or isinstance(found[2], DimExpr):
            return ANY
        start, limit, delta = found
        if delta == 0:
            raise OpError("delta is 0")
        return dim_max(-((start - limit) // delta), 0)

    def _count_of_floats(self) -> Dim:
        found = [v.array.item() for v in self.present_operands if isinstance(v, Constant)]
        if len(found) != 3:
            return ANY
        start, limit, delta = found
        if delta == 0:
            raise OpError("delta is 0")
        count: int = math.ceil((limit - start) / delta)
        return max(count, 0)

    def _bounds(self) -> tuple[Dim, Dim, Dim] | None:
        start, limit, delta = (contents(value) for value in self.present_operands)
        if start is None or limit is None or delta is None:
            return None
        return start.item(), limit.item(), delta.item()

    def contents(self, index: int) -> Contents | None:
        bounds = self._bounds()
        count = self.result.type.dims[0]
        if bounds is None or not isinstance(count, int):
            return None
        return as_contents([bounds[0] + i * bounds[2] for i in range(count)])

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dtype = draw.choice((dtypes.f32, dtypes.f64, dtypes.i16, dtypes.i32, dtypes.i64))
        delta = draw.choice((-2, -1, 1, 2, 3))
        limits = [draw.integer(-4, 4), draw.integer(-9, 9), delta]
        operands = [np.asarray(number, dtype=dtype.numpy) for number in limits]
        given: list[Any] = [draw.const(a) if draw.chance() else draw.given(a) for a in operands]
        return cls(*given)


def listed_dims(shape: Value, what: str) -> tuple[Dim, ...]:
    """The dims that a 1-D integer operand lists; ANY each when they are computed at run time.

    Raises:
        OpError: the operand is not 1-D of known length, or lists a negative dim.
    """
    rank = shape.type.dims
    if len(rank) != 1 or not isinstance(rank[0], int):
        raise OpError(f"{what} wants one dimension of known size, found {shape.type}")
    known = contents(shape)
    if known is None:
        return (ANY,) * rank[0]
    if any(isinstance(dim, int) and dim < 0 for dim in known):
        raise OpError(f"{what} lists a negative dim: {list(map(str, known))}")
    return tuple(known)


def listed_ints(value: Value, what: str) -> tuple[int, ...] | None:
    """The elements of a 1-D integer operand, None when they are computed at run time.

    Raises:
        OpError: the operand is not 1-D.
    """
    if value.type.rank != 1:
        raise OpError(f"{what} wants one dimension, found {value.type}")
    return known_ints(value)
