"""Convolutions."""

from __future__ import annotations

import math

from edgec.ir.dims import Dim
from edgec.ir.op import Floats, Ints, Op, OpError, Types, Work, attr, operand
from edgec.ir.ops.common import (
    join_layout,
    per_axis,
    require_dim,
    same_dtype,
    split_layout,
    window_dim,
)
from edgec.ir.ops.fused import check_fused
from edgec.ir.sampling import FLOATS, Sampler
from edgec.ir.traits import LayoutSensitive, Linear
from edgec.ir.value import Value

AUTO_PADS = ("explicit", "same_upper", "same_lower")


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
        dims = self.w.type.static_dims
        if dims is None:
            raise OpError(f"w wants a known shape, found {self.w.type}")
        return dims[2:]

    def infer(self) -> Types:
        same_dtype(self.x, self.w, self.bias)
        batch, channels, spatial = split_layout(self.x.type.dims, self.layout)
        kernel = self.kernel
        if len(kernel) != len(spatial):
            raise OpError(f"w {self.w.type} has another number of spatial axes than {self.x.type}")
        out_channels, in_channels = self.w.type.dims[:2]
        if self.groups < 1 or not isinstance(out_channels, int) or out_channels % self.groups:
            raise OpError(f"{out_channels} output channels do not split into {self.groups} groups")
        require_dim(channels, in_channels * self.groups, "the number of channels of x")
        if self.bias is not None:
            require_dim(self.bias.type.dims[0], out_channels, "the length of bias")
        dims = join_layout(batch, out_channels, self._windows(spatial), self.layout)
        return (self.x.type.with_dims(dims),)

    def _windows(self, spatial: tuple[Dim, ...]) -> tuple[Dim, ...]:
        count = len(spatial)
        stride = per_axis(self.stride, count, "stride")
        dilation = per_axis(self.dilation, count, "dilation")
        if self.auto_pad != "explicit":
            return tuple(-(-size // step) for size, step in zip(spatial, stride, strict=True))
        pads = per_axis(self.pads, 2 * count, "pads", default=0)
        return tuple(
            window_dim(size, k, stride[i], pads[i] + pads[i + count], dilation[i])
            for i, (size, k) in enumerate(zip(spatial, self.kernel, strict=True))
        )

    def check(self) -> None:
        check_fused(self.act, self.act_params)
        if self.auto_pad not in AUTO_PADS:
            raise OpError(f"auto_pad is one of {AUTO_PADS}, found {self.auto_pad!r}")
        if any(value < 1 for value in (*self.stride, *self.dilation)):
            raise OpError("stride and dilation are at least 1")

    def work(self) -> Work:
        per_output = math.prod(self.w.type.static_dims or (0,)) // max(self._out_channels, 1)
        macs = self.result.type.elements() * per_output
        return Work(macs=macs, bytes=super().work().bytes)

    @property
    def _out_channels(self) -> int:
        channels = self.w.type.dims[0]
        return channels if isinstance(channels, int) else 1

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        count = draw.integer(1, 3)
        groups = draw.choice((1, 1, 2, 3))
        per_group = draw.integer(1, 3)
        kernel = draw.shape(count, 1, 3)
        stride = draw.choice(((), draw.shape(count, 1, 2)))
        dilation = draw.choice(((), draw.shape(count, 1, 2)))
        pads = draw.choice(((), draw.shape(2 * count, 0, 2)))
        layout = draw.choice(("nchw", "nhwc"))
        dtype = draw.choice(FLOATS)
        spatial = draw.shape(count, 5, 8)
        out_channels = groups * draw.integer(1, 3)
        return cls(
            draw.value(dtype, join_ints(draw.integer(1, 2), groups * per_group, spatial, layout)),
            draw.value(dtype, (out_channels, per_group, *kernel)),
            draw.value(dtype, (out_channels,)) if draw.chance() else None,
            stride=stride, dilation=dilation, groups=groups, layout=layout,
            **({"pads": pads} if draw.chance(0.7) else {"auto_pad": draw.choice(AUTO_PADS)}),
        )  # fmt: skip


def join_ints(batch: int, channels: int, spatial: Ints, layout: str) -> Ints:
    """``join_layout`` for known dims."""
    if layout == "nchw":
        return (batch, channels, *spatial)
    return (batch, *spatial, channels)
