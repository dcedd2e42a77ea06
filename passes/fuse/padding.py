"""Constant padding into the window of the op that reads it."""

from __future__ import annotations

from math import inf

from edgec.ir import Ints, Op, Value, known_ints
from edgec.ir.ops import (
    Abs,
    AvgPool,
    Clip,
    Conv,
    ConvTranspose,
    Exp,
    HardSigmoid,
    MatMul,
    MaxPool,
    Pad,
    Relu,
    Sigmoid,
    Softmax,
    Softplus,
    Sqrt,
)
from edgec.ir.ops.common import channel_axis, per_axis
from edgec.passes.fuse.fusion import Fusion, with_source
from edgec.passes.pattern import ANY, Match, Pattern, const, loose, maybe, node, uniform

_NON_NEGATIVE = (Abs, Exp, HardSigmoid, Relu, Sigmoid, Softmax, Softplus, Sqrt)
_NON_NEGATIVE_ACTS = ("relu", "sigmoid", "hard_sigmoid")

_PAD = node(Pad, ANY @ "x", const("pads"), maybe(const("value")), axes=ANY) @ "pad"


class _Padded(Fusion):
    """Base: ``absorb`` makes the window op that pads by itself."""

    def fused(self, m: Match) -> Op | str:
        if m.window.auto_pad != "explicit":
            return f"the window op pads by {m.window.auto_pad}"
        number = 0.0 if m.pad.value is None else uniform(m.pad.value)
        if number is None:
            return "the padding has no one value"
        pads = _spatial_pads(m.pad, m.window.layout)
        if isinstance(pads, str):
            return pads
        own = per_axis(m.window.pads, len(pads), "pads", default=0)
        made = self.absorb(m, pads, own, number)
        return made if isinstance(made, str) else with_source(made, m.x)

    def absorb(self, m: Match, pads: Ints, own: Ints, number: float) -> Op | str:
        """The op with ``pads`` besides its ``own``, or why the two do not join."""
        raise NotImplementedError


class FusePadConv(_Padded):
    """conv(pad(x, 0))  ->  conv(x) with these pads"""

    match = loose(Conv, _PAD) @ "window"

    def absorb(self, m: Match, pads: Ints, own: Ints, number: float) -> Op | str:
        if number != 0:
            return f"the padding is {number:g}, that of conv is 0"
        return m.window.copy(pads=_sum(pads, own))  # type: ignore[no-any-return]


class FusePadAvgPool(_Padded):
    """avg_pool(pad(x, 0))  ->  avg_pool(x) with these pads, which count"""

    match = loose(AvgPool, _PAD) @ "window"

    def absorb(self, m: Match, pads: Ints, own: Ints, number: float) -> Op | str:
        pool: AvgPool = m.window
        if number != 0:
            return f"the padding is {number:g}, that of avg_pool is 0"
        if any(own) and not pool.count_include_pad:
            return "the padding of avg_pool does not count, that of pad does"
        if pool.ceil:
            return "windows that overhang see the padding differently"
        return pool.copy(pads=_sum(pads, own), count_include_pad=True)


class FusePadMaxPool(_Padded):
    """max_pool(pad(x, v))  ->  max_pool(x) with these pads;  v no larger than any element of x"""

    match = loose(MaxPool, _PAD) @ "window"

    def absorb(self, m: Match, pads: Ints, own: Ints, number: float) -> Op | str:
        pool: MaxPool = m.window
        if pool.indices:
            return "the indices of max_pool count the padding"
        if pool.ceil:
            return "windows that overhang see the padding differently"
        if number > _lowest(m.x):
            return f"the padding of {number:g} may be larger than elements of x"
        joined = _sum(pads, own)
        kernel = (*pool.kernel, *pool.kernel)
        if any(pool.dilation) or any(pad >= size for pad, size in zip(joined, kernel, strict=True)):
            return "a window may lie in the padding alone"
        return pool.copy(pads=joined)


def _spatial_pads(pad: Pad, layout: str) -> Ints | str:
    """The padding of the spatial axes, all begins, then all ends."""
    given = known_ints(pad.pads) or ()
    rank = pad.x.type.rank
    if any(amount < 0 for amount in given):
        return "the padding is negative"
    count = len(pad.padded_axes)
    begins, ends = [0] * rank, [0] * rank
    for at, axis in enumerate(pad.padded_axes):
        begins[axis], ends[axis] = given[at], given[at + count]
    fixed = {0, channel_axis(layout) % rank}
    if any(begins[axis] or ends[axis] for axis in fixed):
        return "batch or channels are padded"
    spatial = [axis for axis in range(rank) if axis not in fixed]
    return (*(begins[axis] for axis in spatial), *(ends[axis] for axis in spatial))


def _sum(a: Ints, b: Ints) -> Ints:
    return tuple(x + y for x, y in zip(a, b, strict=True))


def _lowest(x: Value) -> float:
    """A bound that no element of x is below."""
    if not x.type.dtype.is_float:
        return x.type.dtype.limits[0]
    producer = x.producer
    if isinstance(producer, _NON_NEGATIVE):
        return 0.0
    if isinstance(producer, Clip):
        return producer.low
    if isinstance(producer, (Conv, ConvTranspose, MatMul)):
        if producer.act in _NON_NEGATIVE_ACTS:
            return 0.0
        if producer.act == "clip":
            return producer.act_params[0]
    return -inf


RULES: tuple[type[Pattern], ...] = (FusePadConv, FusePadAvgPool, FusePadMaxPool)
