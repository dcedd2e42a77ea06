"""Ops that move elements and compute nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgec.ir.contents import Contents, contents
from edgec.ir.dims import ANY, Dim, DimExpr, broadcast_dim, could_equal
from edgec.ir.op import Dims, Ints, Op, OpError, Types, Work, attr, operand, variadic
from edgec.ir.ops.common import normalized_axis, product, require_dim, same_dtype
from edgec.ir.ops.shape import listed_dims
from edgec.ir.sampling import NUMERIC, Sampler
from edgec.ir.traits import Movement
from edgec.ir.types import TensorType
from edgec.ir.value import Value


class Reshape(Op, name="move.reshape", traits=(Movement,)):
    """y has the elements of x in row-major order under other dims.

    The dims are the attribute ``to`` when they follow from those of x: each is an int, or equal to
    a dim of x, or the only one that is neither (it is then what is left over). Otherwise the
    operand ``shape`` (i64[rank]) gives them at run time (one of them may be -1: what is left
    over), and ``to`` is absent.
    """

    x: Value = operand()
    shape: Value | None = operand(default=None)
    to: Dims | None = attr(default=None)

    def infer(self) -> Types:
        if (self.to is None) == (self.shape is None):
            raise OpError("reshape wants either its operand shape or its attribute to")
        dims = self.to if self.to is not None else self._dims_of_shape()
        _check_elements(self.x.type, dims)
        return (self.x.type.with_dims(dims),)

    def check(self) -> None:
        if self.to is not None and not expressible(self.x.type.dims, self.to):
            raise OpError(
                f"dims {list(map(str, self.to))} do not follow from {self.x.type}; "
                "give them as an operand"
            )

    def contents(self, index: int) -> Contents | None:
        found = contents(self.x)
        dims = self.result.type.static_dims
        return None if found is None or dims is None else found.reshape(dims)

    def work(self) -> Work:
        return Work()  # the same bytes under other dims

    def _dims_of_shape(self) -> tuple[Dim, ...]:
        assert self.shape is not None
        rank = self.shape.type.dims
        if len(rank) != 1 or not isinstance(rank[0], int):
            raise OpError(f"shape wants one dimension of known size, found {self.shape.type}")
        known = contents(self.shape)
        if known is None:
            return (ANY,) * rank[0]
        rest = product([dim for dim in known if dim != -1])
        count = product(self.x.type.dims)
        left = ANY if rest == 0 else count // rest
        return tuple(left if dim == -1 else dim for dim in known)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dims = draw.shape(draw.integer(1, 4))
        x = draw.value(draw.choice(NUMERIC), dims)
        split = draw.integer(0, len(dims))
        to = (math.prod(dims[:split]), math.prod(dims[split:]))
        return cls(x, shape=draw.const(to)) if draw.chance() else cls(x, to=to)


def expressible(source: Sequence[Dim], target: Sequence[Dim]) -> bool:
    """True when each target dim is an int, equals a source dim, or is the only other one."""
    return sum(isinstance(dim, DimExpr) and dim not in source for dim in target) <= 1


def _check_elements(source: TensorType, dims: Sequence[Dim]) -> None:
    before, after = product(source.dims), product(dims)
    if not could_equal(before, after):
        raise OpError(f"{source} has {before} elements, dims {list(map(str, dims))} have {after}")


class Transpose(Op, name="move.transpose", traits=(Movement,)):
    """y[i[perm[0]], i[perm[1]], …] = x[i[0], i[1], …]:  dim k of y is dim perm[k] of x"""

    x: Value = operand()
    perm: Ints = attr()

    def infer(self) -> Types:
        if sorted(self.perm) != list(range(self.x.type.rank)):
            raise OpError(f"perm {list(self.perm)} does not permute the axes of {self.x.type}")
        return (self.x.type.with_dims(tuple(self.x.type.dims[axis] for axis in self.perm)),)

    def contents(self, index: int) -> Contents | None:
        found = contents(self.x)
        return None if found is None else found.transpose(self.perm)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        rank = draw.integer(0, 5)
        x = draw.value(draw.choice(NUMERIC), draw.shape(rank, 1, 4))
        return cls(x, perm=draw.rng.permutation(rank).tolist())


class Concat(Op, name="move.concat"):
    """y = the operands one after the other along ``axis``"""

    xs: tuple[Value, ...] = variadic()
    axis: int = attr()

    def infer(self) -> Types:
        if not self.xs:
            raise OpError("concat wants at least one operand")
        same_dtype(*self.xs)
        first = self.xs[0].type
        dims = list(first.dims)
        axis = normalized_axis(self.axis, first.rank)
        for x in self.xs[1:]:
            if x.type.rank != first.rank:
                raise OpError(f"operands want one rank, found {first} and {x.type}")
            for i, dim in enumerate(x.type.dims):
                if i == axis:
                    dims[i] = dims[i] + dim
                else:
                    require_dim(dim, dims[i], f"dim {i} of each operand")
                    dims[i] = dim if isinstance(dim, int) else dims[i]
        return (first.with_dims(tuple(dims)),)

    def contents(self, index: int) -> Contents | None:
        found = [contents(x) for x in self.xs]
        known = [part for part in found if part is not None]
        return np.concatenate(known, axis=self.axis) if len(known) == len(found) else None

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        rank = draw.integer(1, 4)
        axis = draw.integer(0, rank - 1)
        dims = draw.shape(rank)
        dtype = draw.choice(NUMERIC)
        parts = [
            draw.value(dtype, (*dims[:axis], draw.integer(0, 3), *dims[axis + 1 :]))
            for _ in range(draw.integer(1, 4))
        ]
        return cls(tuple(parts), axis=axis)


class Expand(Op, name="move.expand", traits=(Movement,)):
    """y = x repeated along its dims of 1, so that its dims broadcast with those that the operand
    ``shape`` (i64[n]) lists"""

    x: Value = operand()
    shape: Value = operand()

    def infer(self) -> Types:
        own, wanted = self.x.type.dims, listed_dims(self.shape, "shape")
        rank = max(len(own), len(wanted))
        dims: list[Dim] = []
        for a, b in zip(_padded(own, rank), _padded(wanted, rank), strict=True):
            dim = broadcast_dim(a, b)
            if dim is None:
                raise OpError(f"{self.x.type} does not broadcast to {list(map(str, wanted))}")
            dims.append(dim)
        return (self.x.type.with_dims(tuple(dims)),)

    def contents(self, index: int) -> Contents | None:
        found = contents(self.x)
        dims = self.result.type.static_dims
        return None if found is None or dims is None else np.broadcast_to(found, dims)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        full = draw.shape(draw.integer(0, 4))
        own = [1 if draw.chance() else dim for dim in full][draw.integer(0, len(full)) :]
        given = _padded(own, len(full))
        wanted = [1 if a == b and draw.chance(0.3) else b for a, b in zip(given, full, strict=True)]
        return cls(draw.value(draw.choice(NUMERIC), own), draw.const(wanted))


def _padded(dims: Sequence[Dim], rank: int) -> tuple[Dim, ...]:
    return (1,) * (rank - len(dims)) + tuple(dims)


class Tile(Op, name="move.tile", traits=(Movement,)):
    """y[i, …] = x[i mod dim, …]:  x as often along each axis as ``repeats`` (i64[rank]) lists"""

    x: Value = operand()
    repeats: Value = operand()

    def infer(self) -> Types:
        repeats = listed_dims(self.repeats, "repeats")
        if len(repeats) != self.x.type.rank:
            raise OpError(f"repeats wants {self.x.type.rank} elements, found {self.repeats.type}")
        dims = [
            ANY if count is ANY else dim * count
            for dim, count in zip(self.x.type.dims, repeats, strict=True)
        ]
        return (self.x.type.with_dims(tuple(dims)),)

    def contents(self, index: int) -> Contents | None:
        found = contents(self.x)
        repeats = [r for r in listed_dims(self.repeats, "repeats") if isinstance(r, int)]
        return np.tile(found, repeats) if found is not None and len(repeats) == found.ndim else None

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        rank = draw.integer(1, 4)
        x = draw.value(draw.choice(NUMERIC), draw.shape(rank, 1, 3))
        return cls(x, draw.const(draw.shape(rank, 0, 3)))
