"""Factors and addends after a normalization into its gamma and beta."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array, Constant, Ints, Op, Value
from edgec.ir.ops import Add, GroupNorm, InstanceNorm, LayerNorm, Mul, Reshape, RmsNorm
from edgec.passes.fuse.channels import float64, is_plain_float, per_channel, rounded
from edgec.passes.fuse.fusion import Fusion
from edgec.passes.pattern import (
    ANY,
    Match,
    Pattern,
    const,
    loose,
    maybe,
    node,
    scalar,
    var,
)

_NORM = loose((LayerNorm, RmsNorm)) @ "norm"
_OVERFLOW = "gamma or beta would overflow its element type"


def _over_normalized(constant: Constant, norm: LayerNorm | RmsNorm) -> Array | None:
    """The constant over the normalized axes; None when it varies along others, too."""
    dims: Ints = (1,) * (norm.x.type.rank - constant.array.ndim) + constant.array.shape
    if len(dims) > norm.x.type.rank or any(dim != 1 for dim in dims[: norm.axis]):
        return None
    return float64(constant).reshape(dims[norm.axis :])


def _full(norm: LayerNorm | RmsNorm, data: Array) -> Array | None:
    """Data broadcast to the normalized dims, which runtimes want of gamma and beta."""
    dims = norm.x.type.dims[norm.axis :]
    known = tuple(dim for dim in dims if isinstance(dim, int))
    return np.broadcast_to(data, known) if len(known) == len(dims) else None


class ScaleLayerNorm(Fusion):
    """layer_norm(x, gamma, beta) * c  ->  layer_norm(x, gamma * c, beta * c);  rms_norm likewise"""

    match = node(Mul, _NORM, const("c"))

    def fused(self, m: Match) -> Op | str:
        norm = m.norm
        parameters = [norm.gamma] if isinstance(norm, RmsNorm) else [norm.gamma, norm.beta]
        present = [value for value in parameters if value is not None]
        if not is_plain_float(m.c) or not all(isinstance(value, Constant) for value in present):
            return "gamma or beta is not constant"
        c = _over_normalized(m.c, norm)
        if c is None:
            return "the constant varies along axes that are not normalized"
        scaled: list[Value] = []
        for value in present:
            full = _full(norm, float64(value) * c)
            constant = None if full is None else rounded(full, value)
            if constant is None:
                return _OVERFLOW if full is not None else "the normalized dims are not known"
            scaled.append(constant)
        return norm.copy(operands=[norm.x, *scaled, *[None] * (len(parameters) - len(present))])  # type: ignore[no-any-return]


class ShiftLayerNorm(Fusion):
    """layer_norm(x, gamma, beta) + c  ->  layer_norm(x, gamma, beta + c)"""

    match = node(Add, loose(LayerNorm) @ "norm", const("c"))

    def fused(self, m: Match) -> Op | str:
        norm: LayerNorm = m.norm
        if not is_plain_float(m.c) or not isinstance(norm.beta, (Constant, type(None))):
            return "beta is not constant"
        c = _over_normalized(m.c, norm)
        if c is None:
            return "the constant varies along axes that are not normalized"
        full = _full(norm, c if norm.beta is None else c + float64(norm.beta))
        if full is None:
            return "the normalized dims are not known"
        beta = rounded(full, norm.x, m.c.hint)
        return _OVERFLOW if beta is None else norm.copy(beta=beta)


class InstanceNormFromLayerNorm(Fusion):
    """layer_norm(x, 1) over the spatial axis, * c per channel  ->  instance_norm(x, c, 0)"""

    match = node(Mul, node(LayerNorm, var("x"), scalar(1.0), axis=2, eps=ANY) @ "norm", const("c"))

    def fused(self, m: Match) -> Op | str:
        vector = per_channel(m.c, m.x, 1)
        channels = m.x.type.dims[1]
        if vector is None or not is_plain_float(m.c) or not isinstance(channels, int):
            return "the constant varies along more than the channels"
        gamma = rounded(np.broadcast_to(vector, (channels,)), m.c)
        assert gamma is not None
        beta = Constant(np.zeros(channels, dtype=m.c.type.dtype.numpy))
        return InstanceNorm(m.x, gamma, beta, eps=m.norm.eps)


class GroupNormFromInstanceNorm(Fusion):
    """reshape(instance_norm(reshape(x, [N, G, -1]))) * c + d  ->  group_norm(x, gamma, beta, G)

    Before opset 21 the result is written as the same five nodes again.
    """

    match = node(
        Add,
        node(
            Mul,
            node(
                Reshape,
                node(
                    InstanceNorm,
                    node(Reshape, var("x"), shape=maybe(ANY), to=ANY) @ "split",
                    const("gamma"), const("beta"), eps=ANY,
                ) @ "norm",
                shape=maybe(ANY), to=ANY,
            ),
            const("c"),
        ),
        const("d"),
    )  # fmt: skip

    def fused(self, m: Match) -> Op | str:
        split, x = m.split.result.type.dims, m.x
        if len(split) != 3 or x.type.rank < 2 or split[0] != x.type.dims[0]:
            return "the groups of channels are not instances"
        channels, groups = x.type.dims[1], split[1]
        if not isinstance(channels, int) or not isinstance(groups, int) or channels % groups:
            return "the channels do not split into groups"
        if m.root.result.type != x.type:
            return "the result has another shape than x"
        factor, addend = per_channel(m.c, x, 1), per_channel(m.d, x, 1)
        if factor is None or addend is None:
            return "the constants vary along more than the channels"
        per_group = channels // groups
        gamma = np.repeat(float64(m.gamma), per_group) * factor
        beta = np.repeat(float64(m.beta), per_group) * factor + addend
        made = [rounded(data, m.c, hint.hint) for data, hint in ((gamma, m.c), (beta, m.d))]
        if made[0] is None or made[1] is None:
            return _OVERFLOW
        return GroupNorm(x, made[0], made[1], groups=groups, eps=m.norm.eps)


RULES: tuple[type[Pattern], ...] = (
    ScaleLayerNorm,
    ShiftLayerNorm,
    InstanceNormFromLayerNorm,
    GroupNormFromInstanceNorm,
)
