"""Transposed and deformable convolution."""

from __future__ import annotations

import math

from edgec.ir.dims import Dim
from edgec.ir.op import Floats, Ints, Op, OpError, Types, Work, attr, operand
from edgec.ir.ops.common import (
    join_layout,
    per_axis,
    require_dim,
    require_rank,
    same_dtype,
    split_layout,
)
from edgec.ir.ops.fused import check_fused
from edgec.ir.ops.nn import SAMPLE_ACTS, join_ints, kernel_of, out_channels_of, require_real
from edgec.ir.ops.windows import Window
from edgec.ir.sampling import FLOATS, Sampler
from edgec.ir.traits import LayoutSensitive, Linear
from edgec.ir.value import Value


class ConvTranspose(Op, name="nn.conv_transpose", traits=(Linear("x"), LayoutSensitive("x"))):
    """y[n, o, stride*p + dilation*k - pad] = act(bias[o] + sum over c,p,k of x[n,c,p] * w[c,o,k])

    The gradient of a convolution by its input. ``w`` is [C, O / groups, *kernel] in either layout;
    ``pads`` crops all begins, then all ends; ``output_padding`` adds to the ends.
    """

    x: Value = operand()
    w: Value = operand()
    bias: Value | None = operand(default=None)
    stride: Ints = attr(default=())
    pads: Ints = attr(default=())
    dilation: Ints = attr(default=())
    groups: int = attr(default=1)
    output_padding: Ints = attr(default=())
    layout: str = attr(default="nchw")
    act: str = attr(default="none")
    act_params: Floats = attr(default=())

    @property
    def kernel(self) -> Ints:
        """Spatial sizes of ``w``. Raises OpError when they are not known."""
        return kernel_of(self.w)

    @property
    def window(self) -> Window:
        return Window(self.kernel, self.stride, self.pads, self.dilation)

    def infer(self) -> Types:
        same_dtype(self.x, self.w, self.bias)
        batch, channels, spatial = split_layout(self.x.type.dims, self.layout)
        require_rank(self.w, self.x.type.rank, "w")
        in_channels, per_group = self.w.type.dims[:2]
        if self.groups < 1 or not isinstance(in_channels, int) or in_channels % self.groups:
            raise OpError(f"{in_channels} input channels do not split into {self.groups} groups")
        require_dim(channels, in_channels, "the number of channels of x")
        out_channels = per_group * self.groups
        if self.bias is not None:
            require_rank(self.bias, 1, "bias")
            require_dim(self.bias.type.dims[0], out_channels, "the length of bias")
        dims = join_layout(batch, out_channels, self._sizes(spatial), self.layout)
        return (self.x.type.with_dims(dims),)

    def _sizes(self, spatial: tuple[Dim, ...]) -> tuple[Dim, ...]:
        window, count = self.window, len(spatial)
        pads = per_axis(self.pads, 2 * count, "pads", default=0)
        extra = per_axis(self.output_padding, count, "output_padding", default=0)
        crops = [pads[i] + pads[i + count] - extra[i] for i in range(count)]
        sizes = tuple(
            window.strides[i] * (size - 1) + window.extents[i] - crops[i]
            for i, size in enumerate(spatial)
        )
        if any(isinstance(size, int) and size < 0 for size in sizes):
            raise OpError(f"pads {list(pads)} crop more than there is")
        return sizes

    def check(self) -> None:
        require_real(self.x)
        check_fused(self.act, self.act_params)
        self.window.check()
        if any(extra < 0 for extra in self.output_padding):
            raise OpError(f"output_padding is at least 0, found {list(self.output_padding)}")

    def work(self) -> Work:
        per_input = math.prod(self.w.type.static_dims or (0,)) // max(out_channels_of(self.w), 1)
        macs = self.x.type.elements() * per_input
        return Work(macs=macs, bytes=super().work().bytes)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        count = draw.integer(1, 3)
        groups, per_group = draw.choice((1, 1, 2)), draw.integer(1, 3)
        in_channels = groups * draw.integer(1, 3)
        layout, dtype = draw.choice(("nchw", "nhwc")), draw.choice(FLOATS)
        stride = draw.shape(count, 1, 3)
        dims = join_ints(draw.integer(1, 2), in_channels, draw.shape(count, 3, 5), layout)
        act, act_params = draw.choice(SAMPLE_ACTS)
        return cls(
            draw.value(dtype, dims),
            draw.value(dtype, (in_channels, per_group, *draw.shape(count, 1, 3))),
            draw.value(dtype, (groups * per_group,)) if draw.chance() else None,
            stride=stride,
            dilation=draw.choice(((), draw.shape(count, 1, 2))),
            pads=draw.choice(((), draw.shape(2 * count, 0, 1))),
            output_padding=draw.choice(((), tuple(draw.integer(0, s - 1) for s in stride))),
            groups=groups, layout=layout, act=act, act_params=act_params,
        )  # fmt: skip


class DeformConv(Op, name="nn.deform_conv"):
    """y[n,o,p] = bias[o] + sum over c,k of w[o,c,k] * mask[n,g,k,p] * x[n, c, at(p,k) + offset]

    Tap k of window p reads x at stride*p + dilation*k - pad + offset[n,g,k,:,p], linearly
    interpolated, zero outside; g is the offset group of channel c. ``offset`` is
    [N, offset_groups * taps * axes, *p], ``mask`` [N, offset_groups * taps, *p] (Dai et al. 2017,
    Zhu et al. 2019).
    """

    x: Value = operand()
    w: Value = operand()
    offset: Value = operand()
    bias: Value | None = operand(default=None)
    mask: Value | None = operand(default=None)
    stride: Ints = attr(default=())
    pads: Ints = attr(default=())
    dilation: Ints = attr(default=())
    groups: int = attr(default=1)
    offset_groups: int = attr(default=1)

    @property
    def window(self) -> Window:
        return Window(kernel_of(self.w), self.stride, self.pads, self.dilation)

    def infer(self) -> Types:
        same_dtype(self.x, self.w, self.offset, self.bias, self.mask)
        batch, channels, spatial = split_layout(self.x.type.dims, "nchw")
        for value, name in ((self.w, "w"), (self.offset, "offset"), (self.mask, "mask")):
            if value is not None:
                require_rank(value, self.x.type.rank, name)
        out_channels, in_channels = self.w.type.dims[:2]
        require_dim(channels, in_channels * self.groups, "the number of channels of x")
        window = self.window
        counts = window.counts(spatial)
        shifts = self.offset_groups * math.prod(window.kernel)
        require_dim(self.offset.type.dims[1], shifts * window.axes, "the channels of offset")
        if self.mask is not None:
            require_dim(self.mask.type.dims[1], shifts, "the channels of mask")
        for found, wanted in zip(self.offset.type.dims[2:], counts, strict=True):
            require_dim(found, wanted, "a spatial dim of offset")
        return (self.x.type.with_dims((batch, out_channels, *counts)),)

    def check(self) -> None:
        self.window.check()
        if self.groups < 1 or self.offset_groups < 1:
            raise OpError("groups and offset_groups are at least 1")
        if out_channels_of(self.w) % self.groups:
            raise OpError(f"{self.w.type} does not split into {self.groups} groups")
        channels = self.x.type.dims[1]
        if isinstance(channels, int) and channels % self.offset_groups:
            raise OpError(f"{channels} channels do not split into {self.offset_groups} groups")

    def work(self) -> Work:
        per_output = math.prod(self.w.type.static_dims or (0,)) // max(out_channels_of(self.w), 1)
        macs = self.result.type.elements() * per_output
        return Work(macs=macs, flops=8 * self.offset.type.elements(), bytes=super().work().bytes)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        count = draw.integer(1, 3)
        groups, offset_groups = draw.choice((1, 2)), draw.choice((1, 2))
        channels = groups * offset_groups * draw.integer(1, 2)
        batch, out_channels = draw.integer(1, 2), groups * draw.integer(1, 2)
        spatial, kernel = draw.shape(count, 5, 6), draw.shape(count, 1, 3)
        window = Window(
            kernel,
            draw.choice(((), draw.shape(count, 1, 2))),
            draw.choice(((), draw.shape(2 * count, 0, 1))),
            draw.choice(((), draw.shape(count, 1, 2))),
        )
        dtype = draw.choice(FLOATS)
        counts = tuple(n for n in window.counts(spatial) if isinstance(n, int))
        shifts = offset_groups * math.prod(kernel)
        return cls(
            draw.value(dtype, (batch, channels, *spatial)),
            draw.value(dtype, (out_channels, channels // groups, *kernel)),
            draw.value(dtype, (batch, shifts * count, *counts)),
            draw.value(dtype, (out_channels,)) if draw.chance() else None,
            draw.value(dtype, (batch, shifts, *counts)) if draw.chance() else None,
            stride=window.stride, pads=window.pads, dilation=window.dilation,
            groups=groups, offset_groups=offset_groups,
        )  # fmt: skip
