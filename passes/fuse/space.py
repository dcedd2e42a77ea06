"""Convolutions of images folded in space: YOLO's focus, space to depth."""

from __future__ import annotations

from itertools import product
from typing import TypeAlias

import numpy as np

from edgec.ir import Array, Constant, Op, Value
from edgec.ir.ops import Concat, Conv, Slice, SpaceToDepth
from edgec.ir.ops.common import per_axis
from edgec.passes.canonicalize.slices import cuts
from edgec.passes.fuse.channels import is_plain_float
from edgec.passes.fuse.fusion import Fusion
from edgec.passes.pattern import ANY, ELSEWHERE, Match, Pattern, loose, node

Offset: TypeAlias = tuple[int, ...]


def _unfolded(conv: Conv, x: Value, block: int, places: list[tuple[int, Offset]]) -> Op | str:
    """The convolution of x that does what ``conv`` does to x folded in space.

    Args:
        places: of each input channel of ``conv``: the channel of x, and the offset in its block.
    """
    if not isinstance(conv.w, Constant) or not is_plain_float(conv.w):
        return "the weights are not constant"
    if conv.groups != 1 or conv.auto_pad != "explicit" or any(d != 1 for d in conv.dilation):
        return "the convolution has groups or gaps, or pads by itself"
    rank = len(conv.kernel)
    weights: Array = conv.w.array
    channels = 1 + max(channel for channel, _ in places)
    dims = (weights.shape[0], channels, *(block * size for size in conv.kernel))
    made = np.zeros(dims, weights.dtype)
    for index, (channel, offset) in enumerate(places):
        samples = made[:, channel][(slice(None), *(slice(begin, None, block) for begin in offset))]
        samples[...] = weights[:, index]
    stride = per_axis(conv.stride, rank, "stride", default=1)
    pads = per_axis(conv.pads, 2 * rank, "pads", default=0)
    return conv.copy(
        x=x,
        w=Constant(made, hint=conv.w.hint),
        stride=[block * step for step in stride],
        pads=[block * pad for pad in pads],
    )


class ConvOfFocus(Fusion):
    """conv(concat(x[0::s, 0::s], x[1::s, 0::s], …))  ->  conv(x) with s times kernel, stride and
    pads;  every offset once, in any order"""

    match = loose(Conv, loose(Concat) @ "concat") @ "conv"

    def fused(self, m: Match) -> Op | str:
        concat: Concat = m.concat
        parts = [_samples(value, concat) for value in concat.xs]
        if concat.axis != 1 or m.conv.layout != "nchw" or not all(parts):
            return ELSEWHERE
        found = [part for part in parts if part is not None]
        x, step = found[0][0], found[0][1]
        channels = x.type.dims[1]
        if any(part[0] is not x or part[1] != step for part in found):
            return "the parts are taken of different values, or in different steps"
        offsets = [part[2] for part in found]
        rank = x.type.rank - 2
        if sorted(offsets) != list(product(range(step), repeat=rank)):
            return "the parts are not all samples of each block, once"
        if not isinstance(channels, int) or any(dim % step != 0 for dim in x.type.dims[2:]):
            return "the blocks do not fill the image"
        places = [(channel, offset) for offset in offsets for channel in range(channels)]
        return _unfolded(m.conv, x, step, places)


def _samples(value: Value, reader: Op) -> tuple[Value, int, Offset] | None:
    """What is sampled, in which steps, from which offset, where one slice does just that."""
    op = value.producer
    if not isinstance(op, Slice) or value.use_count != 1 or op.graph is not reader.graph:
        return None
    found = cuts(op)
    spatial = list(range(2, op.x.type.rank))
    if found is None or sorted(found) != spatial or not spatial:
        return None
    step = found[2].step
    for axis, cut in found.items():
        size = op.x.type.dims[axis]
        whole = isinstance(size, int) and (cut.end >= size or cut.end + cut.step > size)
        if cut.step != step or not 0 <= cut.start < step or not whole:
            return None
    return op.x, step, tuple(found[axis].start for axis in spatial)


class ConvOfSpaceToDepth(Fusion):
    """conv(space_to_depth(x, s))  ->  conv(x) with s times kernel, stride and pads"""

    match = loose(Conv, node(SpaceToDepth, ANY @ "x", block=ANY, mode=ANY) @ "fold") @ "conv"

    def fused(self, m: Match) -> Op | str:
        block, channels = m.fold.block, m.x.type.dims[1]
        if not isinstance(channels, int):
            return "the number of channels is not known"
        offsets = list(product(range(block), repeat=2))
        if m.fold.mode == "dcr":
            places = [(channel, offset) for offset in offsets for channel in range(channels)]
        else:
            places = [(channel, offset) for channel in range(channels) for offset in offsets]
        return _unfolded(m.conv, m.x, block, places)


RULES: tuple[type[Pattern], ...] = (ConvOfFocus, ConvOfSpaceToDepth)
