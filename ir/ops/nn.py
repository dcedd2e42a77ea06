"""Convolutions."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

from edgec.ir.op import Floats, Ints, Op, OpError, Types, Work, attr, operand
from edgec.ir.ops.common import (
    join_layout,
    require_dim,
    require_rank,
    same_dtype,
    split_layout,
)
from edgec.ir.ops.fused import check_fused
from edgec.ir.ops.windows import AUTO_PADS, Window
from edgec.ir.sampling import FLOATS, Sampler
from edgec.ir.traits import LayoutSensitive, Linear
from edgec.ir.value import Value


class Conv(Op, name="nn.conv", traits=(Linear("x"), LayoutSensitive("x"))):
    """y[n,o,p] = act(bias[o] + sum over c,k of x[n, c, stride*p + dilation*k - pad] * w[o,c,k])

    Cross-correlation with zero padding over one to three spatial axes.
    ``w`` is [O, C / groups, *kernel] in either layout of x and y; ``pads`` lists all begins, then
    all ends. ``act`` names an activation that follows (see ``ops/fused.py``).
    """

    x: Value = operand()
    w: Value = operand()
    bias: Value | None = operand(default=None)
    stride: Ints = attr(default=())
    pads: Ints = attr(default=())
    dilation: Ints = attr(default=())
    groups: int = attr(default=1)
    auto_pad: str = attr(default="explicit")
    layout: str = attr(default="nchw")
    act: str = attr(default="none")
    act_params: Floats = attr(default=())

    @property
    def kernel(self) -> Ints:
        """Spatial sizes of ``w``. Raises OpError when they are not known."""
        return kernel_of(self.w)

    @cached_property
    def window(self) -> Window:
        return Window(self.kernel, self.stride, self.pads, self.dilation, self.auto_pad)

    def infer(self) -> Types:
        same_dtype(self.x, self.w, self.bias)
        batch, channels, spatial = split_layout(self.x.type.dims, self.layout)
        require_rank(self.w, self.x.type.rank, "w")
        out_channels, in_channels = self.w.type.dims[:2]
        if self.groups < 1 or not isinstance(out_channels, int) or out_channels % self.groups:
            raise OpError(f"{out_channels} output channels do not split into {self.groups} groups")
        require_dim(channels, in_channels * self.groups, "the number of channels of x")
        if self.bias is not None:
            require_rank(self.bias, 1, "bias")
            require_dim(self.bias.type.dims[0], out_channels, "the length of bias")
        dims = join_layout(batch, out_channels, self.window.counts(spatial), self.layout)
        return (self.x.type.with_dims(dims),)

    def check(self) -> None:
        require_real(self.x)
        check_fused(self.act, self.act_params)
        self.window.check()

    def work(self) -> Work:
        per_output = math.prod(self.w.type.static_dims or (0,)) // max(out_channels_of(self.w), 1)
        macs = self.result.type.elements() * per_output
        return Work(macs=macs, bytes=super().work().bytes)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        count = draw.integer(1, 3)
        groups = draw.choice((1, 1, 2, 3))
        per_group = draw.integer(1, 3)
        layout = draw.choice(("nchw", "nhwc"))
        dtype = draw.choice(FLOATS)
        out_channels = groups * draw.integer(1, 3)
        dims = join_ints(draw.integer(1, 2), groups * per_group, draw.shape(count, 5, 8), layout)
        act, act_params = draw.choice(SAMPLE_ACTS)
        return cls(
            draw.value(dtype, dims),
            draw.value(dtype, (out_channels, per_group, *draw.shape(count, 1, 3))),
            draw.value(dtype, (out_channels,)) if draw.chance() else None,
            stride=draw.choice(((), draw.shape(count, 1, 2))),
            dilation=draw.choice(((), draw.shape(count, 1, 2))),
            groups=groups, layout=layout, act=act, act_params=act_params,
            **draw_padding(draw, count),
        )  # fmt: skip


SAMPLE_ACTS: tuple[tuple[str, Floats], ...] = (
    ("none", ()),
    ("none", ()),
    ("none", ()),
    ("relu", ()),
    ("clip", (-1.5, 1.25)),
    ("leaky_relu", (0.125,)),
    ("hard_swish", ()),
    ("hard_sigmoid", (0.25, 0.5)),
    ("sigmoid", ()),
    ("silu", (1.0,)),
    ("silu", (1.5,)),
    ("tanh", ()),
)


def require_real(x: Value) -> None:
    """Raises OpError unless the elements are floats, or integers that stand for real numbers."""
    if not x.type.dtype.is_float and x.type.quant is None:
        raise OpError(f"x wants floats or quantized integers, found {x.type}")


def kernel_of(w: Value) -> Ints:
    """Spatial sizes of the weights of a convolution. Raises OpError when they are not known."""
    dims = w.type.static_dims
    if dims is None:
        raise OpError(f"w wants a known shape, found {w.type}")
    return dims[2:]


def out_channels_of(w: Value) -> int:
    """Number of output channels of the weights [O, C / groups, *kernel]; 1 when not known."""
    channels = w.type.dims[0]
    return channels if isinstance(channels, int) else 1


def draw_padding(draw: Sampler, count: int) -> dict[str, Any]:
    """Explicit pads, or an automatic kind."""
    if draw.chance(0.7):
        return {"pads": draw.choice(((), draw.shape(2 * count, 0, 2)))}
    return {"auto_pad": draw.choice(AUTO_PADS)}


def join_ints(batch: int, channels: int, spatial: Ints, layout: str) -> Ints:
    """``join_layout`` for known dims."""
    if layout == "nchw":
        return (batch, channels, *spatial)
    return (batch, *spatial, channels)
