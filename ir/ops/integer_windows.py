"""Averages and interpolation of quantized integers, on the grid of the operand."""

from __future__ import annotations

import math

from edgec.ir.op import Ints, Op, OpError, Types, Work, attr, operand
from edgec.ir.ops.common import join_layout, split_layout
from edgec.ir.ops.integer import ACTIVATIONS, check_activation, draw_quantized, grid_of
from edgec.ir.ops.nn import join_ints
from edgec.ir.ops.windows import AUTO_PADS, Window
from edgec.ir.sampling import Sampler
from edgec.ir.traits import LayoutSensitive
from edgec.ir.value import Value

COORDINATES = ("asymmetric", "align_corners", "half_pixel")


class IntegerAvgPool(Op, name="integer.avg_pool", traits=(LayoutSensitive("x"),)):
    """y[n,c,p] = act(sum over window p of x / number of its samples inside x), halves away from
    zero, on the grid of x (TFLite AVERAGE_POOL_2D)"""

    x: Value = operand()
    kernel: Ints = attr()
    stride: Ints = attr(default=())
    pads: Ints = attr(default=())
    auto_pad: str = attr(default="explicit")
    activation: str = attr(default="none")
    layout: str = attr(default="nhwc")

    @property
    def window(self) -> Window:
        return Window(self.kernel, self.stride, self.pads, auto_pad=self.auto_pad)

    def infer(self) -> Types:
        grid_of(self.x)
        batch, channels, spatial = split_layout(self.x.type.dims, self.layout)
        counts = self.window.counts(spatial)
        return (self.x.type.with_dims(join_layout(batch, channels, counts, self.layout)),)

    def check(self) -> None:
        self.window.check()
        check_activation(self.activation)
        pads = self.pads or (0,) * (2 * len(self.kernel))
        if any(pad >= size for pad, size in zip(pads, (*self.kernel, *self.kernel), strict=True)):
            raise OpError(f"a window of padding alone has no mean, found pads {list(self.pads)}")

    def work(self) -> Work:
        flops = self.result.type.elements() * math.prod(self.kernel)
        return Work(flops=flops, bytes=super().work().bytes)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        count = draw.choice((1, 2, 2, 3))
        kernel = draw.shape(count, 1, 4)
        layout = draw.choice(("nchw", "nhwc"))
        dims = join_ints(draw.integer(1, 2), draw.integer(1, 20), draw.shape(count, 5, 8), layout)
        pads = tuple(draw.integer(0, size - 1) for size in (*kernel, *kernel))
        automatic = draw.chance()
        return cls(
            draw_quantized(draw, dims),
            kernel=kernel,
            stride=draw.choice(((), draw.shape(count, 1, 3))),
            pads=() if automatic else draw.choice(((), pads)),
            auto_pad=draw.choice(AUTO_PADS) if automatic else "explicit",
            activation=draw.choice(("none", *ACTIVATIONS)),
            layout=layout,
        )


class IntegerResize(Op, name="integer.resize", traits=(LayoutSensitive("x"),)):
    """y = x interpolated linearly between its two nearest samples along both spatial axes, in
    steps of 2^-10, on the grid of x (TFLite RESIZE_BILINEAR)

    Output i lies at i * in / out (asymmetric), i * (in - 1) / (out - 1) (align_corners) or
    (i + 1/2) * in / out - 1/2 (half_pixel).
    """

    x: Value = operand()
    sizes: Ints = attr()
    coordinates: str = attr(default="half_pixel")
    layout: str = attr(default="nhwc")

    def infer(self) -> Types:
        grid_of(self.x)
        batch, channels, spatial = split_layout(self.x.type.dims, self.layout)
        if len(spatial) != 2 or len(self.sizes) != 2 or min(self.sizes) < 1:
            raise OpError(f"wants two spatial axes and two sizes, found {list(self.sizes)}")
        return (self.x.type.with_dims(join_layout(batch, channels, self.sizes, self.layout)),)

    def check(self) -> None:
        if self.coordinates not in COORDINATES:
            raise OpError(f"coordinates is one of {COORDINATES}, found {self.coordinates!r}")

    def work(self) -> Work:
        return Work(flops=4 * self.result.type.elements(), bytes=super().work().bytes)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        layout = draw.choice(("nchw", "nhwc"))
        dims = join_ints(draw.integer(1, 2), draw.integer(1, 5), draw.shape(2, 1, 9), layout)
        return cls(
            draw_quantized(draw, dims),
            sizes=draw.shape(2, 1, 15),
            coordinates=draw.choice(COORDINATES),
            layout=layout,
        )
