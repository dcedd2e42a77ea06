"""Pooling over sliding windows."""

from __future__ import annotations

import math
from typing import Any

from edgec.ir import dtypes
from edgec.ir.contents import contents
from edgec.ir.dims import Dim
from edgec.ir.op import Ints, Op, OpError, Types, Work, attr, operand
from edgec.ir.ops.common import (
    join_layout,
    per_axis,
    require_dim,
    split_layout,
    unknown,
)
from edgec.ir.ops.nn import draw_padding, join_ints, require_real
from edgec.ir.ops.windows import Window
from edgec.ir.sampling import FLOATS, Sampler
from edgec.ir.traits import LayoutSensitive, Linear
from edgec.ir.types import TensorType
from edgec.ir.value import Value


class Pool(Op):
    """Base of the ops that reduce each window of each channel to one number.

    ``pads`` lists all begins, then all ends. With ``ceil`` a last window may overhang the padded
    end, but none starts in the end padding.
    """

    x: Value = operand()
    kernel: Ints = attr()
    stride: Ints = attr(default=())
    pads: Ints = attr(default=())
    dilation: Ints = attr(default=())
    ceil: bool = attr(default=False)
    auto_pad: str = attr(default="explicit")
    layout: str = attr(default="nchw")

    @property
    def window(self) -> Window:
        return Window(self.kernel, self.stride, self.pads, self.dilation, self.auto_pad, self.ceil)

    def infer(self) -> Types:
        return (self._pooled(),)

    def _pooled(self) -> TensorType:
        batch, channels, spatial = split_layout(self.x.type.dims, self.layout)
        counts = self.window.counts(spatial)
        return self.x.type.with_dims(join_layout(batch, channels, counts, self.layout))

    def check(self) -> None:
        self.window.check()
        require_real(self.x)

    def work(self) -> Work:
        flops = self.result.type.elements() * math.prod(self.kernel)
        return Work(flops=flops, bytes=super().work().bytes)

    @classmethod
    def draw_pool(cls, draw: Sampler, **attributes: Any) -> Op:
        """A pool over one to three axes; the pads are smaller than the kernel."""
        count = draw.integer(1, 3)
        kernel = draw.shape(count, 1, 3)
        padding = draw_padding(draw, count)
        if padding.get("pads"):
            padding["pads"] = tuple(draw.integer(0, size - 1) for size in (*kernel, *kernel))
        layout = draw.choice(("nchw", "nhwc"))
        dims = join_ints(draw.integer(1, 2), draw.integer(1, 3), draw.shape(count, 5, 8), layout)
        return cls(
            draw.value(draw.choice(FLOATS), dims),
            kernel=kernel,
            stride=draw.choice(((), draw.shape(count, 1, 3))),
            dilation=draw.choice(((), draw.shape(count, 1, 2))),
            ceil=draw.chance(0.3),
            layout=layout,
            **padding, **attributes,
        )  # fmt: skip


class MaxPool(Pool, name="nn.max_pool", traits=(LayoutSensitive("x"),)):
    """y[n,c,p] = max over the k that lie inside x of x[n, c, stride*p + dilation*k - pad]

    With ``indices`` a second result (i64) holds where each maximum lies (the first one, -1 for a
    window of padding alone), counted over x in the order N, C, spatial axes whatever the layout;
    ``storage_order`` 1 counts the spatial axes column-major.
    """

    indices: bool = attr(default=False)
    storage_order: int = attr(default=0)

    def infer(self) -> Types:
        pooled = self._pooled()
        return (pooled, pooled.with_dtype(dtypes.i64)) if self.indices else (pooled,)

    def check(self) -> None:
        self.window.check()
        dtype = self.x.type.dtype
        if not (dtype.is_float or (dtype.is_integer and dtype.bits == 8)):
            raise OpError(f"wants floats or 8-bit integers, found {self.x.type}")
        if self.storage_order not in (0, 1):
            raise OpError(f"storage_order is 0 or 1, found {self.storage_order}")

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        return cls.draw_pool(draw, indices=draw.chance(), storage_order=draw.integer(0, 1))


class AvgPool(Pool, name="nn.avg_pool", traits=(Linear("x"), LayoutSensitive("x"))):
    """y[n,c,p] = sum over window p of x / number of its samples inside x

    With ``count_include_pad`` the number also counts the padding, though not what overhangs it.
    """

    count_include_pad: bool = attr(default=False)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        return cls.draw_pool(draw, count_include_pad=draw.chance())


class LpPool(Pool, name="nn.lp_pool", traits=(LayoutSensitive("x"),)):
    """y[n,c,q] = (sum over window q of |x|^p)^(1/p)"""

    p: int = attr(default=2)

    def check(self) -> None:
        super().check()
        if self.p < 1:
            raise OpError(f"p is at least 1, found {self.p}")

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        return cls.draw_pool(draw, p=draw.integer(1, 4))


class MaxUnpool(Op, name="nn.max_unpool"):
    """y[indices] = x, 0 elsewhere: undoes a max pool (N, C, spatial axes).

    The indices count over the dims that undo ``kernel``, ``stride`` and ``pads``; the operand
    ``shape`` gives larger dims, at whose end zeros are added.
    """

    x: Value = operand()
    indices: Value = operand()
    shape: Value | None = operand(default=None)
    kernel: Ints = attr(kw_only=True)
    stride: Ints = attr(default=())
    pads: Ints = attr(default=())

    @property
    def unpooled(self) -> tuple[Dim, ...]:
        """The spatial dims that the indices count over."""
        window = Window(self.kernel, self.stride, self.pads)
        pads = per_axis(self.pads, 2 * window.axes, "pads", default=0)
        return tuple(
            window.strides[i] * (size - 1) + self.kernel[i] - pads[i] - pads[i + window.axes]
            for i, size in enumerate(self.x.type.dims[2:])
        )

    def infer(self) -> Types:
        dims = self.x.type.dims
        if len(self.kernel) != len(dims) - 2:
            raise OpError(f"kernel {list(self.kernel)} does not fit {self.x.type}")
        if self.indices.type.rank != len(dims):
            raise OpError(f"indices want the dims of x, found {self.indices.type}")
        if self.shape is None:
            return (self.x.type.with_dims((*dims[:2], *self.unpooled)),)
        known = contents(self.shape)
        return (self.x.type.with_dims(unknown(len(dims)) if known is None else tuple(known)),)

    def check(self) -> None:
        Window(self.kernel, self.stride, self.pads).check()
        for found, wanted in zip(self.indices.type.dims, self.x.type.dims, strict=True):
            require_dim(found, wanted, "a dim of indices")
        if self.indices.type.dtype is not dtypes.i64:
            raise OpError(f"indices want i64, found {self.indices.type}")

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        count = draw.integer(1, 3)
        kernel = draw.shape(count, 1, 3)
        dims = (draw.integer(1, 2), draw.integer(1, 3), *draw.shape(count, 1, 3))
        sizes = [size * step for size, step in zip(dims[2:], kernel, strict=True)]
        places = draw.rng.permutation(math.prod(dims[:2]) * math.prod(sizes))
        indices = places[: math.prod(dims)].reshape(dims).astype("int64")
        larger = (*dims[:2], *(size + draw.integer(0, 2) for size in sizes))
        return cls(
            draw.value(draw.choice(FLOATS), dims),
            draw.given(indices),
            draw.const(larger) if draw.chance() else None,
            kernel=kernel,
            stride=kernel,
        )
