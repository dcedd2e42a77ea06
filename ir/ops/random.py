"""Random numbers. Every execution draws anew, unless ``seed`` is given."""

from __future__ import annotations

from edgec.ir import dtypes
from edgec.ir.contents import contents
from edgec.ir.dims import ANY, Dim
from edgec.ir.dtypes import DType
from edgec.ir.op import Dims, Op, OpError, Types, attr, operand
from edgec.ir.ops.common import require_family, require_rank
from edgec.ir.sampling import FLOATS, Sampler
from edgec.ir.traits import Effect
from edgec.ir.types import TensorType
from edgec.ir.value import Value


class RandomTensor(Op):
    """Base of the random tensors; the dims are the attribute ``dims``, or the operand ``shape``
    (i64[rank]) gives them at run time."""

    shape: Value | None = operand(default=None)
    dims: Dims | None = attr(default=None)
    dtype: DType = attr(kw_only=True)
    seed: float | None = attr(default=None)

    def infer(self) -> Types:
        if (self.dims is None) == (self.shape is None):
            raise OpError(f"{self.op_name} wants either its operand shape or its attribute dims")
        if not self.dtype.is_float:
            raise OpError(f"{self.op_name} draws floats, found dtype {self.dtype.name}")
        dims = self.dims if self.dims is not None else self._dims_of_shape()
        return (TensorType(self.dtype, dims),)

    def check(self) -> None:
        if self.dims is not None and not all(isinstance(dim, int) for dim in self.dims):
            raise OpError(f"dims want to be known, found {list(map(str, self.dims))}")

    def _dims_of_shape(self) -> tuple[Dim, ...]:
        assert self.shape is not None
        rank = self.shape.type.dims
        if len(rank) != 1 or not isinstance(rank[0], int):
            raise OpError(f"shape wants one dimension of known size, found {self.shape.type}")
        known = contents(self.shape)
        return (ANY,) * rank[0] if known is None else tuple(known)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dims = draw.shape(draw.integer(0, 3))
        seed = float(draw.integer(0, 9)) if draw.chance() else None
        dtype = draw.choice(FLOATS)
        if draw.chance():
            return cls(shape=draw.const(dims), dtype=dtype, seed=seed)
        return cls(dims=dims, dtype=dtype, seed=seed)


class RandomNormal(RandomTensor, name="random.normal", traits=(Effect,)):
    """y drawn from the normal distribution of that mean and standard deviation (``scale``)"""

    mean: float = attr(default=0.0)
    scale: float = attr(default=1.0)


class RandomUniform(RandomTensor, name="random.uniform", traits=(Effect,)):
    """y drawn evenly from low…high, high excluded"""

    low: float = attr(default=0.0)
    high: float = attr(default=1.0)


class Bernoulli(Op, name="random.bernoulli", traits=(Effect,)):
    """y = 1 with probability x, else 0"""

    x: Value = operand()
    dtype: DType = attr()
    seed: float | None = attr(default=None)

    def infer(self) -> Types:
        require_family(self.x, ("float",))
        return (self.x.type.with_dtype(self.dtype),)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        x = draw.value(draw.choice(FLOATS), draw.shape(draw.integer(0, 3)), low=0.0, high=1.0)
        dtype = draw.choice((*FLOATS, dtypes.boolean, dtypes.i32))
        return cls(x, dtype=dtype, seed=1.0 if draw.chance() else None)


class Multinomial(Op, name="random.multinomial", traits=(Effect,)):
    """y[n, s] = class c with probability e**x[n, c] / sum over c of e**x[n, c]"""

    x: Value = operand()
    samples_per_row: int = attr()
    dtype: DType = attr()
    seed: float | None = attr(default=None)

    def infer(self) -> Types:
        require_family(self.x, ("float",))
        require_rank(self.x, 2, "x")
        if self.dtype not in (dtypes.i32, dtypes.i64) or self.samples_per_row < 0:
            raise OpError("multinomial draws a positive number of i32 or i64")
        return (TensorType(self.dtype, (self.x.type.dims[0], self.samples_per_row)),)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        x = draw.value(draw.choice(FLOATS), draw.shape(2))
        dtype = draw.choice((dtypes.i32, dtypes.i64))
        seed = 1.0 if draw.chance() else None
        return cls(x, samples_per_row=draw.integer(1, 4), dtype=dtype, seed=seed)
