"""Normalization of channels."""

from __future__ import annotations

from edgec.ir.op import Op, OpError, Types, attr, operand
from edgec.ir.ops.common import channel_axis, normalized_axis, require_dim, require_rank
from edgec.ir.ops.nn import join_ints
from edgec.ir.sampling import FLOATS, Sampler
from edgec.ir.traits import LayoutSensitive
from edgec.ir.value import Value


class BatchNorm(Op, name="norm.batch_norm"):
    """y = gamma * (x - mean) / sqrt(var + eps) + beta, each [C] along ``axis`` (inference form)"""

    x: Value = operand()
    gamma: Value = operand()
    beta: Value = operand()
    mean: Value = operand()
    var: Value = operand()
    eps: float = attr(default=1e-5)
    axis: int = attr(default=1)

    def infer(self) -> Types:
        axis = normalized_axis(self.axis, self.x.type.rank)
        for name in ("gamma", "beta", "mean", "var"):
            _require_per_channel(getattr(self, name), self.x, axis, name)
        return (self.x.type,)

    def check(self) -> None:
        if self.axis < 0:
            raise OpError(f"axis counts from the front, found {self.axis}")
        _require_positive(self.eps)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dims = draw.shape(draw.integer(2, 5), 1, 4)
        axis = draw.choice((1, 1, 1, draw.integer(0, len(dims) - 1)))
        dtype, channels = draw.choice(FLOATS), (dims[axis],)
        return cls(
            draw.value(dtype, dims),
            draw.value(dtype, channels),
            draw.value(dtype, channels),
            draw.value(dtype, channels),
            draw.value(dtype, channels, low=0.1),
            eps=draw.choice((1e-5, 1e-3)),
            axis=axis,
        )


class InstanceNorm(Op, name="norm.instance_norm", traits=(LayoutSensitive("x"),)):
    """y = gamma * (x - mean) / sqrt(var + eps) + beta; mean, var of x over the spatial axes"""

    x: Value = operand()
    gamma: Value = operand()
    beta: Value = operand()
    eps: float = attr(default=1e-5)
    layout: str = attr(default="nchw")

    def infer(self) -> Types:
        _require_spatial(self.x)
        axis = channel_axis(self.layout)
        _require_per_channel(self.gamma, self.x, axis, "gamma")
        _require_per_channel(self.beta, self.x, axis, "beta")
        return (self.x.type,)

    def check(self) -> None:
        _require_positive(self.eps)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dtype, channels = draw.choice(FLOATS), draw.integer(1, 4)
        layout = draw.choice(("nchw", "nhwc"))
        spatial = draw.shape(draw.integer(1, 3), 2, 5)
        return cls(
            draw.value(dtype, join_ints(draw.integer(1, 2), channels, spatial, layout)),
            draw.value(dtype, (channels,)),
            draw.value(dtype, (channels,)),
            eps=draw.choice((1e-5, 1e-3)),
            layout=layout,
        )


class GroupNorm(Op, name="norm.group_norm"):
    """y = gamma * (x - mean) / sqrt(var + eps) + beta; mean, var of x over each group of channels

    ``x`` is [N, C, *spatial]; ``gamma`` and ``beta`` are [C] (Wu and He, 2018).
    """

    x: Value = operand()
    gamma: Value = operand()
    beta: Value = operand()
    groups: int = attr()
    eps: float = attr(default=1e-5)

    def infer(self) -> Types:
        if self.x.type.rank < 2:
            raise OpError(f"x wants batch and channels, found {self.x.type}")
        _require_per_channel(self.gamma, self.x, 1, "gamma")
        _require_per_channel(self.beta, self.x, 1, "beta")
        channels = self.x.type.dims[1]
        if self.groups < 1 or (isinstance(channels, int) and channels % self.groups):
            raise OpError(f"{channels} channels do not split into {self.groups} groups")
        return (self.x.type,)

    def check(self) -> None:
        _require_positive(self.eps)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dtype, groups = draw.choice(FLOATS), draw.integer(1, 3)
        channels = groups * draw.integer(1, 3)
        return cls(
            draw.value(dtype, (draw.integer(1, 2), channels, *draw.shape(draw.integer(1, 3), 2))),
            draw.value(dtype, (channels,)),
            draw.value(dtype, (channels,)),
            groups=groups,
            eps=draw.choice((1e-5, 1e-3)),
        )


def _require_per_channel(value: Value, x: Value, axis: int, what: str) -> None:
    require_rank(value, 1, what)
    require_dim(value.type.dims[0], x.type.dims[axis], f"the length of {what}")


def _require_spatial(x: Value) -> None:
    if x.type.rank < 3:
        raise OpError(f"x wants batch, channels and at least one spatial axis, found {x.type}")


def _require_positive(eps: float) -> None:
    if eps < 0:
        raise OpError(f"eps is at least 0, found {eps}")
