"""Sums of products of quantized integers: convolutions, linear layers, matrix products."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

from edgec.ir import dtypes
from edgec.ir.dims import Dim
from edgec.ir.op import Ints, Op, OpError, Types, Work, attr, operand
from edgec.ir.ops.common import (
    broadcast,
    join_layout,
    per_axis,
    require_dim,
    require_rank,
    split_layout,
)
from edgec.ir.ops.integer import (
    Quantized,
    draw_quantized,
    draw_result,
    draw_weights,
    grid_of,
)
from edgec.ir.ops.linear import matrix_dims
from edgec.ir.ops.nn import draw_padding, join_ints, kernel_of, out_channels_of
from edgec.ir.ops.windows import Window
from edgec.ir.sampling import Sampler
from edgec.ir.traits import LayoutSensitive
from edgec.ir.types import TensorType
from edgec.ir.value import Value

ROUNDINGS = ("float64", "fixed")


class Weighted(Quantized):
    """Base of the ops with weights and a bias: acc = bias + sum of (x - zero_point) * w in i32."""

    x: Value = operand()
    w: Value = operand()
    bias: Value | None = operand(default=None)

    def _require_operands(self, channels: Dim) -> None:
        grid_of(self.x)
        require_weights(self.w)
        if self.bias is not None:
            if self.bias.type.dtype is not dtypes.i32:
                raise OpError(f"bias wants i32, found {self.bias.type}")
            require_rank(self.bias, 1, "bias")
            require_dim(self.bias.type.dims[0], channels, "the length of bias")


def require_weights(w: Value) -> None:
    """Raises OpError unless ``w`` is i8, symmetric, with one scale or one per slice of axis 0."""
    quant = w.type.quant
    if w.type.dtype is not dtypes.i8 or quant is None:
        raise OpError(f"w wants quantized i8, found {w.type}")
    if any(quant.zero_point) or quant.axis not in (None, 0):
        raise OpError(f"w wants zero points of 0, and scales along axis 0, found {w.type}")


class IntegerConv(Weighted, name="integer.conv", traits=(LayoutSensitive("x"),)):
    """y[n,o,p] = act((bias[o] + sum over c,k of (x[n, c, stride*p + dilation*k - pad] - zero_point)
    * w[o,c,k]) * scale(x) * scale(w[o])) on its grid (TFLite CONV_2D, DEPTHWISE_CONV_2D)

    Over one to three spatial axes; ``w`` is [O, C / groups, *kernel] in either layout of x and y,
    ``bias`` counts in scale(x) * scale(w[o]), padding stands for 0.
    """

    stride: Ints = attr(default=())
    pads: Ints = attr(default=())
    dilation: Ints = attr(default=())
    groups: int = attr(default=1)
    auto_pad: str = attr(default="explicit")
    layout: str = attr(default="nhwc")

    @property
    def kernel(self) -> Ints:
        """Spatial sizes of ``w``. Raises OpError when they are not known."""
        return kernel_of(self.w)

    @cached_property
    def window(self) -> Window:
        return Window(self.kernel, self.stride, self.pads, self.dilation, self.auto_pad)

    def infer(self) -> Types:
        batch, channels, spatial = split_layout(self.x.type.dims, self.layout)
        require_rank(self.w, self.x.type.rank, "w")
        out_channels, in_channels = self.w.type.dims[:2]
        self._require_operands(out_channels)
        if self.groups < 1 or not isinstance(out_channels, int) or out_channels % self.groups:
            raise OpError(f"{out_channels} output channels do not split into {self.groups} groups")
        require_dim(channels, in_channels * self.groups, "the number of channels of x")
        dims = join_layout(batch, out_channels, self.window.counts(spatial), self.layout)
        return (TensorType(dtypes.i8, dims, self.grid),)

    def check(self) -> None:
        super().check()
        self.window.check()

    def work(self) -> Work:
        per_output = math.prod(self.w.type.static_dims or (0,)) // max(out_channels_of(self.w), 1)
        macs = self.result.type.elements() * per_output
        return Work(macs=macs, bytes=super().work().bytes)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        count = draw.choice((1, 2, 2, 2, 3))
        depthwise = draw.chance(0.3)
        groups = draw.integer(2, 20) if depthwise else draw.choice((1, 1, 2, 3))
        per_group = 1 if depthwise else draw.integer(1, 5)
        layout = draw.choice(("nchw", "nhwc"))
        out_channels = groups * draw.integer(1, 2 if depthwise else 9)
        dims = join_ints(draw.integer(1, 2), groups * per_group, draw.shape(count, 5, 8), layout)
        return cls(
            draw_quantized(draw, dims),
            draw_weights(draw, (out_channels, per_group, *draw.shape(count, 1, 3))),
            draw_bias(draw, out_channels),
            stride=draw.choice(((), draw.shape(count, 1, 2))),
            dilation=draw.choice(((), draw.shape(count, 1, 2))),
            groups=groups, layout=layout, **draw_padding(draw, count), **draw_result(draw),
        )  # fmt: skip


class IntegerConvTranspose(Weighted, name="integer.conv_transpose", traits=(LayoutSensitive("x"),)):
    """y[n, o, stride*p + k - pad] = act((bias[o] + sum over c,p,k of (x[n,c,p] - zero_point)
    * w[o,c,k]) * scale(x) * scale(w[o])) on its grid (TFLite TRANSPOSE_CONV)

    ``w`` is [O, C, *kernel] in either layout; ``pads`` crops all begins, then all ends;
    ``output_padding`` adds to the ends.
    """

    stride: Ints = attr(default=())
    pads: Ints = attr(default=())
    output_padding: Ints = attr(default=())
    layout: str = attr(default="nhwc")

    @property
    def kernel(self) -> Ints:
        """Spatial sizes of ``w``. Raises OpError when they are not known."""
        return kernel_of(self.w)

    @property
    def window(self) -> Window:
        return Window(self.kernel, self.stride, self.pads)

    def infer(self) -> Types:
        batch, channels, spatial = split_layout(self.x.type.dims, self.layout)
        require_rank(self.w, self.x.type.rank, "w")
        out_channels, in_channels = self.w.type.dims[:2]
        self._require_operands(out_channels)
        require_dim(channels, in_channels, "the number of channels of x")
        dims = join_layout(batch, out_channels, self._sizes(spatial), self.layout)
        return (TensorType(dtypes.i8, dims, self.grid),)

    def _sizes(self, spatial: tuple[Dim, ...]) -> tuple[Dim, ...]:
        window, count = self.window, len(spatial)
        pads = per_axis(self.pads, 2 * count, "pads", default=0)
        extra = per_axis(self.output_padding, count, "output_padding", default=0)
        sizes = tuple(
            window.strides[i] * (size - 1) + self.kernel[i] - pads[i] - pads[i + count] + extra[i]
            for i, size in enumerate(spatial)
        )
        if any(isinstance(size, int) and size < 0 for size in sizes):
            raise OpError(f"pads {list(pads)} crop more than there is")
        return sizes

    def check(self) -> None:
        super().check()
        self.window.check()
        if any(extra < 0 for extra in self.output_padding):
            raise OpError(f"output_padding is at least 0, found {list(self.output_padding)}")

    def work(self) -> Work:
        macs = self.x.type.elements() * out_channels_of(self.w) * math.prod(self.kernel)
        return Work(macs=macs, bytes=super().work().bytes)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        count = draw.choice((1, 2, 2))
        channels, out_channels = draw.integer(1, 4), draw.integer(1, 5)
        layout = draw.choice(("nchw", "nhwc"))
        stride = draw.shape(count, 1, 3)
        dims = join_ints(draw.integer(1, 2), channels, draw.shape(count, 3, 5), layout)
        return cls(
            draw_quantized(draw, dims),
            draw_weights(draw, (out_channels, channels, *draw.shape(count, 1, 3))),
            draw_bias(draw, out_channels),
            stride=stride,
            pads=draw.choice(((), draw.shape(2 * count, 0, 1))),
            output_padding=draw.choice(((), tuple(draw.integer(0, s - 1) for s in stride))),
            layout=layout, **draw_result(draw),
        )  # fmt: skip


class IntegerLinear(Weighted, name="integer.linear"):
    """y[…,o] = act((bias[o] + sum over i of (x[…,i] - zero_point) * w[o,i]) * scale(x)
    * scale(w[o])) on its grid (TFLite FULLY_CONNECTED)

    ``w`` is [O, I]. ``rounding`` float64 multiplies the sum by a double and rounds halves away
    from zero (LiteRT 2); fixed is the fixed-point multiplication of the other ops
    (tflite-runtime 2.14).
    """

    rounding: str = attr(default="float64")

    def infer(self) -> Types:
        require_rank(self.w, 2, "w")
        out_channels, depth = self.w.type.dims
        self._require_operands(out_channels)
        if self.x.type.rank < 1:
            raise OpError(f"x wants at least one dimension, found {self.x.type}")
        require_dim(self.x.type.dims[-1], depth, "the last dimension of x")
        return (TensorType(dtypes.i8, (*self.x.type.dims[:-1], out_channels), self.grid),)

    def check(self) -> None:
        super().check()
        if self.rounding not in ROUNDINGS:
            raise OpError(f"rounding is one of {ROUNDINGS}, found {self.rounding!r}")

    def work(self) -> Work:
        macs = self.x.type.elements() * out_channels_of(self.w)
        return Work(macs=macs, bytes=super().work().bytes)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        depth, out_channels = draw.integer(1, 70), draw.integer(1, 40)
        return cls(
            draw_quantized(draw, (*draw.shape(draw.integer(0, 2)), depth)),
            draw_weights(draw, (out_channels, depth)),
            draw_bias(draw, out_channels),
            rounding=draw.choice(ROUNDINGS), **draw_result(draw),
        )  # fmt: skip


class IntegerMatMul(Quantized, name="integer.matmul"):
    """y = sum over k of (A - zero_point) * (B - zero_point) on its grid, over the last two axes;
    the others broadcast (TFLite BATCH_MATMUL)

    A is a, or a with its last two axes swapped (``transpose_a``); B likewise.
    """

    a: Value = operand()
    b: Value = operand()
    transpose_a: bool = attr(default=False)
    transpose_b: bool = attr(default=False)

    def infer(self) -> Types:
        for value in (self.a, self.b):
            grid_of(value)
            if value.type.rank < 2:
                raise OpError(f"a matrix product wants matrices, found {value.type}")
        a = matrix_dims(self.a.type, self.transpose_a)
        b = matrix_dims(self.b.type, self.transpose_b)
        require_dim(b[-2], a[-1], "the second last dimension of b")
        batch = broadcast(self.a.type.with_dims(a[:-2]), self.b.type.with_dims(b[:-2]))
        return (TensorType(dtypes.i8, (*batch, a[-2], b[-1]), self.grid),)

    def check(self) -> None:
        if self.activation != "none":
            raise OpError(f"a matrix product takes no activation, found {self.activation!r}")

    def work(self) -> Work:
        depth = TensorType(dtypes.i8, matrix_dims(self.a.type, self.transpose_a)[-1:]).elements()
        return Work(macs=self.result.type.elements() * depth, bytes=super().work().bytes)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        rows, depth, columns = draw.shape(3, 1, 20)
        batch = draw.shape(draw.integer(0, 2), 1, 3)
        transpose_a, transpose_b = draw.chance(0.3), draw.chance(0.3)
        b_batch = tuple(1 if draw.chance(0.3) else dim for dim in batch)
        result = draw_result(draw) | {"activation": "none"}
        return cls(
            draw_quantized(draw, (*batch, *((depth, rows) if transpose_a else (rows, depth)))),
            draw_quantized(
                draw, (*b_batch, *((columns, depth) if transpose_b else (depth, columns)))
            ),
            transpose_a=transpose_a, transpose_b=transpose_b, **result,
        )  # fmt: skip


def draw_bias(draw: Sampler, channels: int) -> Any:
    """An i32 bias, now and then none."""
    return draw.value(dtypes.i32, (channels,), low=-9000, high=9000) if draw.chance(0.7) else None
