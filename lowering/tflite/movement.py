"""Ops that move elements and compute nothing."""

from __future__ import annotations

from collections.abc import Sequence

from edgec.ir import Dim, Ints, Value, dtypes
from edgec.ir.ops import (
    Concat,
    DepthToSpace,
    Expand,
    Reshape,
    ReverseSequence,
    SpaceToDepth,
    Tile,
    Transpose,
)
from edgec.lowering.tflite.dims import vector
from edgec.lowering.tflite.layouts import as_given, channels_last
from edgec.lowering.tflite.shapes import reshaped, transposed
from edgec.lowering.tflite.table import TFLITE, Unwritable, static_dim
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer


@TFLITE.rule(Reshape)
def reshape(op: Reshape, w: Writer) -> Tensor:
    x = w[op.x]
    if op.to is None:
        assert op.shape is not None
        dims = op.result.type.dims
        if sum(not isinstance(dim, int) for dim in dims) <= 1 and 0 not in dims:
            return reshaped(x, dims, w)
        return w.op("RESHAPE", x, w.cast(w[op.shape], dtypes.i32), dims=dims)
    return reshaped(x, op.to, w)


@TFLITE.rule(Transpose)
def transpose(op: Transpose, w: Writer) -> Tensor:
    return transposed(w[op.x], op.perm, w)


@TFLITE.rule(Concat)
def concat(op: Concat, w: Writer) -> Tensor:
    parts = [w[x] for x in op.xs if 0 not in x.type.dims] or [w[op.xs[0]]]
    if len(parts) == 1:
        return w.copy(parts[0])
    return w.op(
        "CONCATENATION", *parts, dims=op.result.type.dims, axis=op.axis % op.result.type.rank
    )


@TFLITE.rule(Expand)
def expand(op: Expand, w: Writer) -> Tensor:
    return spread(w[op.x], op.result.type.dims, w, shape=op.shape)


def spread(x: Tensor, dims: Sequence[Dim], w: Writer, shape: Value | None = None) -> Tensor:
    """x repeated along its dims of 1 to these dims; ``shape`` lists them at run time."""
    dims = tuple(dims)
    if x.dims == dims:
        return x
    try:
        wanted = vector(dims, [x], w)
    except Unwritable:
        if shape is None or shape.type.dims != (len(dims),):
            raise
        own = w.shape_of(x) if x.rank == len(dims) else None
        wanted = w.cast(w[shape], dtypes.i32)
        wanted = wanted if own is None else w.op("MAXIMUM", wanted, own)
    return w.op("BROADCAST_TO", x, wanted, dims=dims)


@TFLITE.rule(Tile)
def tile(op: Tile, w: Writer) -> Tensor:
    return w.op("TILE", w[op.x], w.cast(w[op.repeats], dtypes.i32), dims=op.result.type.dims)


def order_of(mode: str, block: int, channels: int) -> Ints:
    """Where each channel of a (C, i, j) ordered block goes in an (i, j, C) ordered one."""
    square = block * block
    if mode == "dcr":
        return tuple(range(channels * square))
    return tuple(c * square + k for k in range(square) for c in range(channels))


@TFLITE.rule(DepthToSpace)
def depth_to_space(op: DepthToSpace, w: Writer) -> Tensor:
    """DEPTH_TO_SPACE reads the offsets in a block from the slow end of the channels (dcr)."""
    x = channels_last(w[op.x], op.layout, w)
    channels = op.x.type.dims[1 if op.layout == "nchw" else 3]
    if op.mode == "crd" and op.block > 1:
        x = _by_block(x, channels, op.block, w)
    n, height, width, _ = x.dims
    dims = (n, height * op.block, width * op.block, channels // op.block**2)
    if op.block == 1:
        return as_given(x, op.layout, w)
    y = w.op("DEPTH_TO_SPACE", x, dims=dims, block_size=op.block)
    return as_given(y, op.layout, w)


def _by_block(x: Tensor, channels: Dim, block: int, w: Writer) -> Tensor:
    """Channels ordered (C, i, j) as (i, j, C)."""
    order = order_of("crd", block, static_dim(channels, "number of channels") // block**2)
    return w.op("GATHER", x, w.ints(order), axis=3)


@TFLITE.rule(SpaceToDepth)
def space_to_depth(op: SpaceToDepth, w: Writer) -> Tensor:
    x = channels_last(w[op.x], op.layout, w)
    n, height, width, channels = x.dims
    if op.block == 1:
        return as_given(w.copy(x), op.layout, w)
    dims = (n, height // op.block, width // op.block, channels * op.block**2)
    y = w.op("SPACE_TO_DEPTH", x, dims=dims, block_size=op.block)
    if op.mode == "crd":
        order = order_of("crd", op.block, static_dim(channels, "number of channels"))
        back = sorted(range(len(order)), key=order.__getitem__)
        y = w.op("GATHER", y, w.ints(back), axis=3)
    return as_given(y, op.layout, w)


@TFLITE.rule(ReverseSequence)
def reverse_sequence(op: ReverseSequence, w: Writer) -> Tensor:
    lens = w.cast(w[op.lens], dtypes.i32)
    return w.op("REVERSE_SEQUENCE", w[op.x], lens, seq_dim=op.time_axis, batch_dim=op.batch_axis)
