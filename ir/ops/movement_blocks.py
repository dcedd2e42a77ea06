"""Ops that move elements between channels and space, and backwards along a sequence."""

from __future__ import annotations

import numpy as np

from edgec.ir import dtypes
from edgec.ir.dims import Dim
from edgec.ir.op import Op, OpError, Types, attr, operand
from edgec.ir.ops.common import (
    join_layout,
    normalized_axis,
    require_dim,
    require_rank,
    split_layout,
)
from edgec.ir.sampling import NUMERIC, Sampler
from edgec.ir.traits import LayoutSensitive, Movement
from edgec.ir.value import Value


class DepthToSpace(Op, name="move.depth_to_space", traits=(Movement, LayoutSensitive("x"))):
    """y[n, c, h*b + i, w*b + j] = x[n, (i*b + j)*C + c, h, w]  (dcr), or
    x[n, (c*b + i)*b + j, h, w]  (crd), with b = ``block`` and C the channels of y"""

    x: Value = operand()
    block: int = attr()
    mode: str = attr(default="dcr")
    layout: str = attr(default="nchw")

    def infer(self) -> Types:
        require_rank(self.x, 4, "x")
        batch, channels, spatial = split_layout(self.x.type.dims, self.layout)
        square = _checked(self.block) ** 2
        _divides(channels, square, "channels")
        scaled = [dim * self.block for dim in spatial]
        dims = join_layout(batch, channels // square, scaled, self.layout)
        return (self.x.type.with_dims(dims),)

    def check(self) -> None:
        _check_mode(self.mode)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        block = draw.integer(1, 3)
        layout = draw.choice(("nchw", "nhwc"))
        dims = join_layout(2, block * block * draw.integer(1, 2), draw.shape(2, 1, 3), layout)
        x = draw.value(draw.choice(NUMERIC), [dim for dim in dims if isinstance(dim, int)])
        return cls(x, block=block, mode=draw.choice(("dcr", "crd")), layout=layout)


class SpaceToDepth(Op, name="move.space_to_depth", traits=(Movement, LayoutSensitive("x"))):
    """y[n, (i*b + j)*C + c, h, w] (dcr), or y[n, (c*b + i)*b + j, h, w] (crd) =
    x[n, c, h*b + i, w*b + j],  with b = ``block`` and C the channels of x"""

    x: Value = operand()
    block: int = attr()
    mode: str = attr(default="dcr")
    layout: str = attr(default="nchw")

    def infer(self) -> Types:
        require_rank(self.x, 4, "x")
        batch, channels, spatial = split_layout(self.x.type.dims, self.layout)
        block = _checked(self.block)
        for dim in spatial:
            _divides(dim, block, "height and width")
        scaled = [dim // block for dim in spatial]
        dims = join_layout(batch, channels * block**2, scaled, self.layout)
        return (self.x.type.with_dims(dims),)

    def check(self) -> None:
        _check_mode(self.mode)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        block = draw.integer(1, 3)
        layout = draw.choice(("nchw", "nhwc"))
        spatial = [block * size for size in draw.shape(2, 1, 3)]
        dims = join_layout(2, draw.integer(1, 3), spatial, layout)
        x = draw.value(draw.choice(NUMERIC), [dim for dim in dims if isinstance(dim, int)])
        return cls(x, block=block, mode=draw.choice(("dcr", "crd")), layout=layout)


def _check_mode(mode: str) -> None:
    if mode not in ("dcr", "crd"):
        raise OpError(f"mode is 'dcr' or 'crd', found {mode!r}")


def _checked(block: int) -> int:
    if block < 1:
        raise OpError(f"block is at least 1, found {block}")
    return block


def _divides(dim: Dim, divisor: int, what: str) -> None:
    remainder = dim % divisor
    if isinstance(remainder, int) and remainder:
        raise OpError(f"{what} ({dim}) want to be a multiple of {divisor}")


class ReverseSequence(Op, name="move.reverse_sequence", traits=(Movement,)):
    """y = x with the first lens[b] elements along ``time_axis`` of each b along ``batch_axis``
    backwards"""

    x: Value = operand()
    lens: Value = operand()
    time_axis: int = attr()
    batch_axis: int = attr()

    def infer(self) -> Types:
        rank = self.x.type.rank
        batch = normalized_axis(self.batch_axis, rank)
        if normalized_axis(self.time_axis, rank) == batch:
            raise OpError(f"time_axis and batch_axis are both {batch}")
        require_rank(self.lens, 1, "lens")
        require_dim(self.lens.type.dims[0], self.x.type.dims[batch], "the length of lens")
        return (self.x.type,)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dims = draw.shape(draw.integer(2, 4))
        time, batch = draw.rng.permutation(2).tolist()
        lens = draw.rng.integers(0, dims[time] + 1, dims[batch])
        x = draw.value(draw.choice((*NUMERIC, dtypes.boolean)), dims)
        return cls(x, draw.given(lens.astype(np.int64)), time_axis=time, batch_axis=batch)
