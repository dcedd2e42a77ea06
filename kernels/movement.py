"""Kernels that move elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgec.ir import Array, Ints
from edgec.ir.ops import (
    Concat,
    DepthToSpace,
    Expand,
    Pad,
    Reshape,
    ReverseSequence,
    Slice,
    SpaceToDepth,
    Split,
    Tile,
    Transpose,
)
from edgec.ir.ops.movement_parts import slices
from edgec.kernels.table import KERNELS


@KERNELS.rule(Reshape)
def reshape(op: Reshape, x: Array, shape: Array | None) -> Array:
    """A view: the one kernel whose result may lie in the memory of its operand."""
    if shape is not None:
        return x.reshape([int(dim) for dim in shape])
    assert op.to is not None
    source = dict(zip(op.x.type.dims, x.shape, strict=True))
    return x.reshape([dim if isinstance(dim, int) else source.get(dim, -1) for dim in op.to])


@KERNELS.rule(Transpose)
def transpose(op: Transpose, x: Array, *, out: Array | None) -> Array:
    return _copied(x.transpose(op.perm), out)


def _copied(view: Array, out: Array | None) -> Array:
    """The elements of a view of an operand, in row-major order, in memory of their own."""
    if out is None:
        return np.array(view, order="C", copy=True)
    np.copyto(out, view)
    return out


@KERNELS.rule(Concat)
def concat(op: Concat, *xs: Array, out: Array | None) -> Array:
    return np.concatenate(xs, axis=op.axis, out=out)


@KERNELS.rule(Expand)
def expand(op: Expand, x: Array, shape: Array, *, out: Array | None) -> Array:
    dims = np.broadcast_shapes(x.shape, tuple(shape.tolist()))
    return _copied(np.broadcast_to(x, dims), out)


@KERNELS.rule(Tile)
def tile(op: Tile, x: Array, repeats: Array) -> Array:
    return np.array(np.tile(x, repeats.tolist()), order="C")


@KERNELS.rule(Slice)
def slice_(
    op: Slice,
    x: Array,
    starts: Array,
    ends: Array,
    steps: Array | None,
    *,
    out: Array | None,
) -> Array:
    strides = (1,) * len(op.axes) if steps is None else tuple(steps.tolist())
    if 0 in strides:
        raise ValueError("a step is 0")
    chosen = slices(x.shape, op.axes, tuple(starts.tolist()), tuple(ends.tolist()), strides)
    return _copied(x[chosen], out)


@KERNELS.rule(Pad)
def pad(op: Pad, x: Array, pads: Array, value: Array | None) -> Array:
    """Elements are taken away before others are added."""
    count = len(op.padded_axes)
    if not count:
        return x
    begin, end = [0] * x.ndim, [0] * x.ndim
    for i, axis in enumerate(op.padded_axes):
        begin[axis], end[axis] = int(pads[i]), int(pads[i + count])
    kept = tuple(
        slice(max(-b, 0), max(size - max(-e, 0), 0))
        for b, e, size in zip(begin, end, x.shape, strict=True)
    )
    width = [(max(b, 0), max(e, 0)) for b, e in zip(begin, end, strict=True)]
    if op.mode == "constant":
        fill = x.dtype.type(0) if value is None else value.reshape(()).item()
        return np.pad(x[kept], width, constant_values=fill)
    mode: Any = op.mode
    return np.asarray(np.pad(x[kept], width, mode=mode))


@KERNELS.rule(Split)
def split(op: Split, x: Array) -> tuple[Array, ...]:
    size = x.shape[op.axis]
    each = -(-size // max(op.parts, 1))
    sizes = op.sizes or (each,) * (op.parts - 1)
    bounds = np.minimum(np.cumsum(sizes), size)[: len(op.results) - 1]
    parts = np.split(x, bounds.tolist(), axis=op.axis)
    return tuple(_copied(part, None) for part in parts)


@KERNELS.rule(DepthToSpace)
def depth_to_space(op: DepthToSpace, x: Array, *, out: Array | None) -> Array:
    b = op.block
    batch, channels, height, width = _first(x, op.layout)
    depth = channels // (b * b)
    source = _channels_first(x, op.layout)
    if op.mode == "dcr":
        blocks = source.reshape(batch, b, b, depth, height, width).transpose(0, 3, 4, 1, 5, 2)
    else:
        blocks = source.reshape(batch, depth, b, b, height, width).transpose(0, 1, 4, 2, 5, 3)
    y = blocks.reshape(batch, depth, height * b, width * b)
    return _laid_out(y, op.layout, out)


@KERNELS.rule(SpaceToDepth)
def space_to_depth(op: SpaceToDepth, x: Array, *, out: Array | None) -> Array:
    b = op.block
    batch, channels, height, width = _first(x, op.layout)
    rows, columns = height // b, width // b
    source = _channels_first(x, op.layout)
    order = (0, 3, 5, 1, 2, 4) if op.mode == "dcr" else (0, 1, 3, 5, 2, 4)
    blocks = source.reshape(batch, channels, rows, b, columns, b).transpose(order)
    return _laid_out(blocks.reshape(batch, channels * b * b, rows, columns), op.layout, out)


def _channels_first(x: Array, layout: str) -> Array:
    return x if layout == "nchw" else np.moveaxis(x, -1, 1)


def _first(x: Array, layout: str) -> Ints:
    return _channels_first(x, layout).shape


def _laid_out(y: Array, layout: str, out: Array | None) -> Array:
    return _copied(y if layout == "nchw" else np.moveaxis(y, 1, -1), out)


@KERNELS.rule(ReverseSequence)
def reverse_sequence(op: ReverseSequence, x: Array, lens: Array) -> Array:
    y = _copied(x, None)
    source = np.moveaxis(x, (op.batch_axis, op.time_axis), (0, 1))
    target = np.moveaxis(y, (op.batch_axis, op.time_axis), (0, 1))
    for b, length in enumerate(lens.tolist()):
        target[b, :length] = source[b, :length][::-1]
    return y
