"""Ops that move elements and compute nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgec.ir.contents import Contents, contents
from edgec.ir.dims import ANY, Dim, DimExpr, could_equal
from edgec.ir.op import Dims, Op, OpError, Types, attr, operand
from edgec.ir.ops.common import product
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
        return tuple(ANY if rest == 0 else count // rest if dim == -1 else dim for dim in known)

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
