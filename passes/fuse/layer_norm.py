"""Layer, instance and root-mean-square normalization, spelled out as arithmetic."""

from __future__ import annotations

import numpy as np

from edgec.ir import Constant, Ints, Op, Value
from edgec.ir.ops import (
    Add,
    Clip,
    Div,
    InstanceNorm,
    LayerNorm,
    Mul,
    Pow,
    Reciprocal,
    ReduceMean,
    Relu,
    RmsNorm,
    Sqrt,
    Sub,
)
from edgec.passes.fuse.channels import is_plain_float
from edgec.passes.fuse.fusion import Fusion
from edgec.passes.pattern import (
    CARRY,
    Match,
    NodePattern,
    Pattern,
    ValuePattern,
    const,
    either,
    node,
    same,
    scalar,
    uniform,
    var,
)

_X = var("x")


def _centered(name: str) -> NodePattern:
    return node(Sub, _X, node(ReduceMean, _X, attrs=CARRY) @ name)


def _mean_square(value: ValuePattern, again: ValuePattern) -> ValuePattern:
    """Its mean square, plus eps."""
    square = either(node(Pow, value, scalar(2.0)), node(Mul, value, again))
    return node(Add, node(ReduceMean, square, attrs=CARRY) @ "var", scalar() @ "eps")


def _root(value: ValuePattern) -> ValuePattern:
    return either(node(Sqrt, value), node(Pow, value, scalar(0.5)))


def _reciprocal_root(value: ValuePattern) -> ValuePattern:
    return either(
        node(Reciprocal, _root(value)),
        node(Div, scalar(1.0), _root(value)),
        node(Pow, value, scalar(-0.5)),
    )


def _square(value: ValuePattern) -> ValuePattern:
    return either(node(Pow, value, scalar(2.0)), node(Mul, value, value))


def _difference_of_squares() -> ValuePattern:
    """The mean square less the squared mean, at least 0 where that is said, plus eps."""
    mean = node(ReduceMean, _X, attrs=CARRY) @ "mean2"
    difference = node(Sub, node(ReduceMean, _square(_X), attrs=CARRY) @ "var", _square(mean))
    bounded = either(node(Relu, difference), node(Clip, difference, low=0.0), difference)
    return node(Add, bounded, scalar() @ "eps")


_VARIANCE = either(_mean_square(_centered("mean2"), _centered("mean3")), _difference_of_squares())
_POWER = _mean_square(_X, _X)


class _LayerNorm(Fusion):
    """Base: standardization over the last axes, or over the spatial ones."""

    def fused(self, m: Match) -> Op | str:
        x: Value = m.x
        means = [m.get(name) for name in ("mean", "mean2", "mean3")]
        axes: Ints = m.var.axes
        if any(mean is not None and mean.axes != axes for mean in means):
            return "mean and variance are taken over different axes"
        if not m.var.keepdims or not is_plain_float(x):
            return "the variance does not keep the axes"
        return _standardized(x, axes, _number(m.eps))


def _standardized(x: Value, axes: Ints, eps: float) -> Op | str:
    """(x - mean) / sqrt(var + eps) over the axes, as the op that is written as one node."""
    rank, channels = x.type.rank, x.type.dims[1] if x.type.rank > 1 else None
    if eps < 0:
        return f"eps is {eps:g}"
    if rank > 3 and axes == tuple(range(2, rank)) and isinstance(channels, int):
        one, zero = _filled(x, (channels,), 1), _filled(x, (channels,), 0)
        return InstanceNorm(x, one, zero, eps=eps)
    if not axes or axes != tuple(range(axes[0], rank)):
        return f"axes {list(axes)} of {rank} are not the last ones"
    normalized = tuple(dim for dim in x.type.dims[axes[0] :] if isinstance(dim, int))
    if len(normalized) != len(axes):
        return "the normalized dims are not known"
    return LayerNorm(x, _filled(x, normalized, 1), axis=axes[0], eps=eps)


def _filled(like: Value, dims: Ints, element: float) -> Constant:
    return Constant(np.full(dims, element, dtype=like.type.dtype.numpy))


def _number(value: Value) -> float:
    found = uniform(value)
    assert found is not None
    return found


class LayerNormFromDiv(_LayerNorm):
    """(x - mean(x)) / sqrt(mean((x - mean(x)) ** 2) + eps)  ->  layer_norm(x, 1), or instance_norm
    over the spatial axes;  the variance also as mean(x ** 2) - mean(x) ** 2"""

    match = node(Div, _centered("mean"), _root(_VARIANCE))


class LayerNormFromMul(_LayerNorm):
    """(x - mean(x)) * (mean((x - mean(x)) ** 2) + eps) ** -0.5  ->  layer_norm(x, 1), or
    instance_norm over the spatial axes;  the variance also as mean(x ** 2) - mean(x) ** 2"""

    match = node(Mul, _reciprocal_root(_VARIANCE), _centered("mean"))


_SCALE = node(Mul, _reciprocal_root(_VARIANCE), const("gamma")) @ "scale"


class LayerNormFromAffine(_LayerNorm):
    """x * s + (beta - mean(x) * s)  ->  layer_norm(x, gamma, beta), or instance_norm over the
    spatial axes;  s = (mean((x - mean(x)) ** 2) + eps) ** -0.5 * gamma, as TensorFlow writes it"""

    match = node(
        Add,
        node(Mul, _SCALE, _X),
        node(
            Sub,
            const("beta"),
            node(Mul, node(ReduceMean, _X, attrs=CARRY) @ "mean", same("scale")),
        ),
    )

    def fused(self, m: Match) -> Op | str:
        norm = super().fused(m)
        if isinstance(norm, str):
            return norm
        dims: Ints = norm.operands[1].type.static_dims or ()  # type: ignore[union-attr]
        spread = (1,) * (m.x.type.rank - 2) if isinstance(norm, InstanceNorm) else ()
        made: list[Constant] = []
        for constant in (m.gamma, m.beta):
            try:
                full = np.broadcast_to(constant.array, (*dims, *spread))
            except ValueError:
                return "gamma or beta varies along other axes than the normalized ones"
            made.append(Constant(full.reshape(dims), hint=constant.hint))
        return norm.copy(gamma=made[0], beta=made[1])


class _RmsNorm(Fusion):
    """Base: a division by the root mean square, times gamma."""

    def fused(self, m: Match) -> Op | str:
        x, axes = m.x, m.var.axes
        rank = x.type.rank
        if not axes or axes != tuple(range(axes[0], rank)) or not m.var.keepdims:
            return f"axes {list(axes)} of {rank} are not the last ones, or vanish"
        if x.type.dtype.bits < 32:
            return "rms_norm computes in float32"
        normalized = x.type.dims[axes[0] :]
        known = tuple(dim for dim in normalized if isinstance(dim, int))
        try:
            full = np.broadcast_to(m.gamma.array, known)
        except ValueError:
            return f"gamma {m.gamma.type} is not one number per normalized element"
        if len(known) != len(normalized):
            return "the normalized dims are not known"
        gamma = Constant(full, hint=m.gamma.hint)
        return RmsNorm(x, gamma, axis=axes[0], eps=_number(m.eps))


class RmsNormFromDiv(_RmsNorm):
    """x / sqrt(mean(x ** 2) + eps) * gamma  ->  rms_norm(x, gamma)"""

    match = node(Mul, node(Div, _X, _root(_POWER)), const("gamma"))


class RmsNormFromMul(_RmsNorm):
    """x * (mean(x ** 2) + eps) ** -0.5 * gamma  ->  rms_norm(x, gamma)"""

    match = node(Mul, node(Mul, _reciprocal_root(_POWER), _X), const("gamma"))


class RmsNormFromScale(_RmsNorm):
    """x * ((mean(x ** 2) + eps) ** -0.5 * gamma)  ->  rms_norm(x, gamma)"""

    match = node(Mul, node(Mul, _reciprocal_root(_POWER), const("gamma")), _X)


RULES: tuple[type[Pattern], ...] = (
    LayerNormFromAffine,
    LayerNormFromDiv,
    LayerNormFromMul,
    RmsNormFromDiv,
    RmsNormFromMul,
    RmsNormFromScale,
)
