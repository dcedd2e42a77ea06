"""Ops that move elements: where each slice goes."""

from __future__ import annotations

import numpy as np

from edgec.ir import Constant, Value, known_ints
from edgec.ir.ops import (
    Concat,
    DepthToSpace,
    Expand,
    Gather,
    Pad,
    Reshape,
    Slice,
    SpaceToDepth,
    Split,
    Transpose,
)
from edgec.passes.channels.links import CHANNELS, Axis, Links
from edgec.passes.channels.spans import Span, spans


@CHANNELS.rule(Transpose)
def transpose(op: Transpose, links: Links) -> None:
    for number, source in enumerate(op.perm):
        links.same(op.x, source, op.result, number)


@CHANNELS.rule(Concat)
def concat(op: Concat, links: Links) -> None:
    start = 0
    for value in op.xs:
        for axis in range(value.type.rank):
            if axis != op.axis:
                links.same(value, axis, op.result, axis)
        size = value.type.dims[op.axis]
        if not isinstance(size, int) or not isinstance(op.result.type.dims[op.axis], int):
            return
        every = np.arange(size)
        links.tie(value, op.axis, every, op.result, op.axis, every + start)
        start += size


@CHANNELS.rule(Split)
def split(op: Split, links: Links) -> None:
    start = 0
    for result in op.results:
        for axis in range(result.type.rank):
            if axis != op.axis:
                links.same(op.x, axis, result, axis)
        size = result.type.dims[op.axis]
        if not isinstance(size, int) or not isinstance(op.x.type.dims[op.axis], int):
            return
        every = np.arange(size)
        links.tie(op.x, op.axis, every + start, result, op.axis, every)
        start += size


@CHANNELS.rule(Slice)
def slice_(op: Slice, links: Links) -> None:
    """Slices that are left out may go on their own."""
    starts, ends = known_ints(op.starts), known_ints(op.ends)
    steps = (1,) * len(op.axes) if op.steps is None else known_ints(op.steps)
    if starts is None or ends is None or steps is None or any(step != 1 for step in steps):
        return
    cut = dict(zip(op.axes, zip(starts, ends, strict=True), strict=True))
    for axis in range(op.x.type.rank):
        size = op.x.type.dims[axis]
        if axis not in op.axes:
            links.same(op.x, axis, op.result, axis)
        elif isinstance(size, int):
            taken = np.arange(size)[slice(*cut[axis])]
            links.touch(op.x, axis)
            links.tie(op.x, axis, taken, op.result, axis, np.arange(len(taken)))


@CHANNELS.rule(Pad)
def pad(op: Pad, links: Links) -> None:
    pads = known_ints(op.pads)
    axes = tuple(range(op.x.type.rank)) if op.axes is None else op.axes
    padded = set(axes)
    if pads is not None:
        padded = {axis for i, axis in enumerate(axes) if pads[i] or pads[i + len(axes)]}
    for axis in range(op.x.type.rank):
        if axis not in padded:
            links.same(op.x, axis, op.result, axis)


@CHANNELS.rule(Expand)
def expand(op: Expand, links: Links) -> None:
    if known_ints(op.shape) is None:
        return
    shift = op.result.type.rank - op.x.type.rank
    for axis in range(op.x.type.rank):
        if op.x.type.dims[axis] != 1:
            links.same(op.x, axis, op.result, axis + shift)


@CHANNELS.rule(Gather)
def gather(op: Gather, links: Links) -> None:
    """Axes of x that are not looked up in go along."""
    own = op.indices.type.rank
    for axis in range(op.x.type.rank):
        if axis != op.axis:
            links.same(op.x, axis, op.result, axis if axis < op.axis else axis - 1 + own)
    for axis in range(own):
        links.touch(op.indices, axis)
        if isinstance(op.indices, Constant):
            links.pin(op.indices, axis, "positions are fixed")


@CHANNELS.rule(Reshape)
def reshape(op: Reshape, links: Links) -> None:
    """Axes that merge or come apart: one of them carries the channels, the others stay whole."""
    if op.to is None:
        return
    for span in spans(op.x.type.dims, op.result.type.dims):
        if len(span.before) == len(span.after) == 1:
            links.same(op.x, span.before[0], op.result, span.after[0])
        elif len(span.after) == 1:
            _merged(op, span, links)
        elif len(span.before) == 1:
            _parted(op, span, links)


def _merged(op: Reshape, span: Span, links: Links) -> None:
    """Of several axes one is live: each of its slices is many of the result's."""
    live = [axis for axis in span.before if Axis(op.x, axis) in links.live]
    if len(live) != 1:
        return
    position = span.before.index(live[0])
    at = np.unravel_index(np.arange(span.size), span.before_sizes)[position]
    links.tie(op.x, live[0], at, op.result, span.after[0], np.arange(span.size))


def _parted(op: Reshape, span: Span, links: Links) -> None:
    """The longest of the new axes carries the channels."""
    if Axis(op.x, span.before[0]) not in links.live:
        return
    position = int(np.argmax(span.after_sizes))
    at = np.unravel_index(np.arange(span.size), span.after_sizes)[position]
    links.tie(op.x, span.before[0], np.arange(span.size), op.result, span.after[position], at)


@CHANNELS.rule(DepthToSpace)
def depth_to_space(op: DepthToSpace, links: Links) -> None:
    _blocks(op, links, op.x, op.result)


@CHANNELS.rule(SpaceToDepth)
def space_to_depth(op: SpaceToDepth, links: Links) -> None:
    _blocks(op, links, op.result, op.x)


def _blocks(op: DepthToSpace | SpaceToDepth, links: Links, deep: Value, flat: Value) -> None:
    """Each channel of the flat side is block² of the deep side."""
    axis = 1 if op.layout == "nchw" else 3
    channels, many = flat.type.dims[axis], deep.type.dims[axis]
    if not isinstance(channels, int) or not isinstance(many, int):
        return
    every = np.arange(many)
    owner = every % channels if op.mode == "dcr" else every // op.block**2
    links.tie(deep, axis, every, flat, axis, owner)
