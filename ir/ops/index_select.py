"""Ops that select elements by what they are: the largest, the nonzero, the different ones."""

from __future__ import annotations

import numpy as np

from edgec.ir import dtypes
from edgec.ir.contents import contents, known_ints
from edgec.ir.dims import ANY, Dim, could_equal
from edgec.ir.dtypes import DType
from edgec.ir.op import Op, OpError, Types, attr, operand
from edgec.ir.ops.common import normalized_axis, product, require_rank
from edgec.ir.ops.index import indices_into
from edgec.ir.sampling import NUMERIC, Sampler
from edgec.ir.traits import Movement
from edgec.ir.types import TensorType
from edgec.ir.value import Value


class TopK(Op, name="index.top_k"):
    """values, indices = the ``k`` (i64[1]) largest (smallest) elements along ``axis``, in
    descending (ascending) order; of equal ones that of lower index comes first"""

    x: Value = operand()
    k: Value = operand()
    axis: int = attr()
    largest: bool = attr(default=True)
    sorted: bool = attr(default=True)

    def infer(self) -> Types:
        axis = normalized_axis(self.axis, self.x.type.rank)
        dims = list(self.x.type.dims)
        dims[axis] = self._count(dims[axis])
        values = self.x.type.with_dims(tuple(dims))
        return (values, TensorType(dtypes.i64, tuple(dims)))

    def _count(self, size: Dim) -> Dim:
        if not could_equal(product(self.k.type.dims), 1):
            raise OpError(f"k wants one element, found {self.k.type}")
        found = contents(self.k)
        if found is None:
            return ANY
        count: Dim = found.reshape(-1)[0]
        if isinstance(count, int) and (count < 0 or (isinstance(size, int) and count > size)):
            raise OpError(f"k is {count}, of {size} elements")
        return count

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dims = draw.shape(draw.integer(1, 3))
        axis = draw.integer(0, len(dims) - 1)
        k = np.asarray([draw.integer(0, dims[axis])])
        return cls(
            draw.value(draw.choice(NUMERIC), dims),
            draw.const(k) if draw.chance() else draw.given(k),
            axis=axis, largest=draw.chance(), sorted=draw.chance(),
        )  # fmt: skip


class OneHot(Op, name="index.one_hot"):
    """y[…, d, …] = values[1] where d = indices[…] (plus depth where negative), else values[0];
    d runs along a new axis number ``axis``, of length ``depth``"""

    indices: Value = operand()
    depth: Value = operand()
    values: Value = operand()
    axis: int = attr()

    def infer(self) -> Types:
        rank = self.indices.type.rank
        if not rank:
            raise OpError("indices want rank 1 at least (ONNX OneHot-11)")
        axis = normalized_axis(self.axis, rank + 1)
        require_rank(self.values, 1, "values")
        if not could_equal(product(self.depth.type.dims), 1):
            raise OpError(f"depth wants one element, found {self.depth.type}")
        found = contents(self.depth)
        size: Dim = ANY if found is None else found.reshape(-1)[0]
        dims = self.indices.type.dims
        return (TensorType(self.values.type.dtype, (*dims[:axis], size, *dims[axis:])),)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dims = draw.shape(draw.integer(1, 3), 0, 4)
        depth = draw.integer(1, 5)
        chosen = indices_into(draw, depth + draw.choice((0, 2)), dims)
        size = np.asarray([depth] if draw.chance() else depth)
        return cls(
            draw.given(chosen.astype(draw.choice((np.int64, np.int32, np.float32)))),
            draw.const(size) if draw.chance() else draw.given(size),
            draw.value(draw.choice(NUMERIC), (2,)),
            axis=draw.integer(0, len(dims)),
        )


class NonZero(Op, name="index.non_zero"):
    """y[:, j] = position of the j-th element of x that is not zero, in row-major order"""

    x: Value = operand()

    def infer(self) -> Types:
        found = known_ints(self.x) if self.x.type.is_static else None
        count: Dim = ANY if found is None else sum(element != 0 for element in found)
        return (TensorType(dtypes.i64, (self.x.type.rank, count)),)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        x = draw.array(draw.choice((*NUMERIC, dtypes.boolean)), draw.shape(draw.integer(0, 3)))
        return cls(draw.given(np.asarray(x * (np.abs(x) > 1) if x.dtype != np.bool_ else x)))


class Unique(Op, name="index.unique"):
    """y, indices, inverse, counts = the different elements of x (the different slices along
    ``axis``), where each occurs first, which one each element is, and how often each occurs

    In ascending order, or in order of first occurrence when not ``sorted``.
    """

    x: Value = operand()
    axis: int | None = attr(default=None)
    sorted: bool = attr(default=True)

    def infer(self) -> Types:
        if self.axis is None:
            dims: tuple[Dim, ...] = (ANY,)
            total = product(self.x.type.dims)
        else:
            axis = normalized_axis(self.axis, self.x.type.rank)
            dims = (*self.x.type.dims[:axis], ANY, *self.x.type.dims[axis + 1 :])
            total = self.x.type.dims[axis]
        found, all_of_them = TensorType(dtypes.i64, (ANY,)), TensorType(dtypes.i64, (total,))
        return (self.x.type.with_dims(dims), found, all_of_them, found)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dims = draw.shape(draw.integer(1, 3), 1, 4)
        axis = draw.choice((None, draw.integer(0, len(dims) - 1)))
        x = draw.array(draw.choice(NUMERIC), dims, low=0, high=2)
        return cls(draw.given(np.round(x)), axis=axis, sorted=draw.chance())


class Trilu(Op, name="index.trilu"):
    """y[…, i, j] = x[…, i, j] where j - i >= k (``upper``), or j - i <= k (lower), else 0; ``k``
    is an i64 scalar, 0 when absent"""

    x: Value = operand()
    k: Value | None = operand(default=None)
    upper: bool = attr(default=True)

    def infer(self) -> Types:
        if self.x.type.rank < 2:
            raise OpError(f"x wants rank 2 at least, found {self.x.type}")
        if self.k is not None and not could_equal(product(self.k.type.dims), 1):
            raise OpError(f"k wants one element, found {self.k.type}")
        return (self.x.type,)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        x = draw.value(draw.choice((*NUMERIC, dtypes.boolean)), draw.shape(draw.integer(2, 4), 0))
        k = np.asarray(draw.integer(-6, 6))
        given = draw.choice((None, draw.const(k), draw.given(k)))
        return cls(x, given, upper=draw.chance())


class Compress(Op, name="index.compress", traits=(Movement,)):
    """y = the slices of x along ``axis`` (the elements of x when it is absent) for which
    ``condition`` (bool[n], n at most their number) is true"""

    x: Value = operand()
    condition: Value = operand()
    axis: int | None = attr(default=None)

    def infer(self) -> Types:
        require_rank(self.condition, 1, "condition")
        found = known_ints(self.condition)
        count: Dim = ANY if found is None else sum(found)
        if self.axis is None:
            return (self.x.type.with_dims((count,)),)
        axis = normalized_axis(self.axis, self.x.type.rank)
        before, after = self.x.type.dims[:axis], self.x.type.dims[axis + 1 :]
        return (self.x.type.with_dims((*before, count, *after)),)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dims = draw.shape(draw.integer(1, 3))
        axis = draw.choice((None, draw.integer(0, len(dims) - 1)))
        size = int(np.prod(dims)) if axis is None else dims[axis]
        kept = draw.array(dtypes.boolean, (draw.integer(0, size),))
        x = draw.value(draw.choice(NUMERIC), dims)
        return cls(x, draw.const(kept) if draw.chance() else draw.given(kept), axis=axis)


class EyeLike(Op, name="index.eye_like"):
    """y[i, j] = 1 where j - i = k, else 0, under the dims of the matrix x"""

    x: Value = operand()
    dtype: DType = attr()
    k: int = attr(default=0)

    def infer(self) -> Types:
        require_rank(self.x, 2, "x")
        return (TensorType(self.dtype, self.x.type.dims),)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        x = draw.value(draw.choice(NUMERIC), draw.shape(2, 0))
        return cls(x, k=draw.integer(-4, 4), dtype=draw.choice((*NUMERIC, dtypes.boolean)))
