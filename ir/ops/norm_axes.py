"""Normalization along axes: layer, root mean square, Lp, local response."""

from __future__ import annotations

from edgec.ir.dims import could_equal
from edgec.ir.op import Ints, Op, OpError, Types, attr, operand
from edgec.ir.sampling import FLOATS, Sampler
from edgec.ir.value import Value


class LayerNorm(Op, name="norm.layer_norm"):
    """y = gamma * (x - mean) / sqrt(var + eps) + beta; mean, var of x over ``axis`` and later axes

    ``gamma`` and ``beta`` broadcast to x (Ba et al., 2016).
    """

    x: Value = operand()
    gamma: Value = operand()
    beta: Value | None = operand(default=None)
    axis: int = attr(kw_only=True)
    eps: float = attr(default=1e-5)

    def infer(self) -> Types:
        _require_broadcast(self.gamma, self.x, "gamma")
        if self.beta is not None:
            _require_broadcast(self.beta, self.x, "beta")
        return (self.x.type,)

    def check(self) -> None:
        _require_axis(self.axis, self.x)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dtype, dims = draw.choice(FLOATS), draw.shape(draw.integer(1, 4))
        axis = draw.integer(0, len(dims) - 1)
        return cls(
            draw.value(dtype, dims),
            draw.value(dtype, _draw_scale(draw, dims, axis)),
            draw.value(dtype, dims[axis:]) if draw.chance() else None,
            axis=axis,
            eps=draw.choice((1e-5, 1e-3)),
        )


class RmsNorm(Op, name="norm.rms_norm"):
    """y = gamma * x / sqrt(mean of x^2 + eps); the mean over ``axis`` and later axes

    ``gamma`` broadcasts to x (Zhang and Sennrich, 2019).
    """

    x: Value = operand()
    gamma: Value = operand()
    axis: int = attr()
    eps: float = attr(default=1e-5)

    def infer(self) -> Types:
        _require_broadcast(self.gamma, self.x, "gamma")
        return (self.x.type,)

    def check(self) -> None:
        _require_axis(self.axis, self.x)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dtype, dims = draw.choice(FLOATS), draw.shape(draw.integer(1, 4))
        axis = draw.integer(0, len(dims) - 1)
        return cls(
            draw.value(dtype, dims),
            draw.value(dtype, _draw_scale(draw, dims, axis)),
            axis=axis,
            eps=draw.choice((1e-5, 1e-3)),
        )


class LpNorm(Op, name="norm.lp_norm"):
    """y = x / (sum over ``axis`` of |x|^p)^(1/p), p is 1 or 2; 0 where that sum is 0"""

    x: Value = operand()
    axis: int = attr()
    p: int = attr(default=2)

    def infer(self) -> Types:
        return (self.x.type,)

    def check(self) -> None:
        _require_axis(self.axis, self.x)
        if self.p not in (1, 2):
            raise OpError(f"p is 1 or 2, found {self.p}")

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dims = draw.shape(draw.integer(1, 4))
        axis = draw.integer(0, len(dims) - 1)
        return cls(draw.value(draw.choice(FLOATS), dims), axis=axis, p=draw.integer(1, 2))


class Lrn(Op, name="norm.lrn"):
    """y = x / (bias + alpha / size * sum of x^2 over the ``size`` channels around each)^beta

    ``x`` is [N, C, *spatial]; channels outside count as 0, of an even number one more lies after
    than before (Krizhevsky et al., 2012, section 3.3).
    """

    x: Value = operand()
    size: int = attr()
    alpha: float = attr(default=1e-4)
    beta: float = attr(default=0.75)
    bias: float = attr(default=1.0)

    def infer(self) -> Types:
        if self.x.type.rank < 2:
            raise OpError(f"x wants batch and channels, found {self.x.type}")
        return (self.x.type,)

    def check(self) -> None:
        if self.size < 1:
            raise OpError(f"size is at least 1, found {self.size}")

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dims = (draw.integer(1, 2), draw.integer(1, 6), *draw.shape(draw.integer(0, 3), 1, 4))
        return cls(
            draw.value(draw.choice(FLOATS), dims),
            size=draw.integer(1, 5),
            alpha=draw.choice((1e-4, 0.5)),
            beta=draw.choice((0.75, 0.5)),
            bias=draw.choice((1.0, 2.0)),
        )


def _draw_scale(draw: Sampler, dims: Ints, axis: int) -> Ints:
    """Dims of a scale: those that are normalized, or fewer, or ones in their place."""
    scale = dims[axis:] if draw.chance() else dims[-1:]
    return scale if draw.chance(0.7) else (1,) * len(scale)


def _require_broadcast(value: Value, x: Value, what: str) -> None:
    dims, target = value.type.dims, x.type.dims
    fits = len(dims) <= len(target) and all(
        dim == 1 or could_equal(dim, wanted)
        for dim, wanted in zip(reversed(dims), reversed(target), strict=False)
    )
    if not fits:
        raise OpError(f"{what} does not broadcast to x: {value.type} and {x.type}")


def _require_axis(axis: int, x: Value) -> None:
    if not 0 <= axis < x.type.rank:
        raise OpError(f"axis is one of x, counted from the front, found {axis} for {x.type}")
