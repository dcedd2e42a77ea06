"""Layers with weights: rows compute channels, columns read them."""

from __future__ import annotations

import numpy as np

from edgec.ir import Constant, Dim, Value
from edgec.ir.ops import (
    AvgPool,
    BatchNorm,
    Conv,
    ConvTranspose,
    InstanceNorm,
    LpPool,
    MatMul,
    MaxPool,
)
from edgec.passes.channels.links import CHANNELS, Links


def _channel_axis(value: Value, layout: str) -> int:
    return 1 if layout == "nchw" else value.type.rank - 1


def _size(dim: Dim) -> int | None:
    return dim if isinstance(dim, int) else None


@CHANNELS.rule(Conv)
def conv(op: Conv, links: Links) -> None:
    """Groups keep their number, so each loses the same of its channels; of a depthwise convolution
    whole groups go."""
    into, out = _channel_axis(op.x, op.layout), _channel_axis(op.result, op.layout)
    rows, columns, channels = (_size(d) for d in (*op.w.type.dims[:2], op.x.type.dims[into]))
    if rows is None or columns is None or channels is None:
        return
    links.source(op.w, 0, op.result, out)
    links.same(op.w, 0, op.result, out)
    if op.bias is not None:
        links.same(op.bias, 0, op.result, out)
    every = np.arange(channels)
    if columns == 1 and op.groups > 1:
        per = rows // channels
        links.tie(op.x, into, np.repeat(every, per), op.result, out, np.arange(rows))
        links.touch(op.w, 1)
        return
    links.tie(op.x, into, every, op.w, 1, every % columns)
    if op.groups > 1:
        each = rows // op.groups
        first = np.arange(rows) % each
        links.tie(op.result, out, np.arange(rows), op.result, out, first)


@CHANNELS.rule(ConvTranspose)
def conv_transpose(op: ConvTranspose, links: Links) -> None:
    into, out = _channel_axis(op.x, op.layout), _channel_axis(op.result, op.layout)
    if op.groups != 1:
        return
    links.source(op.w, 1, op.result, out)
    links.same(op.x, into, op.w, 0)
    links.same(op.w, 1, op.result, out)
    if op.bias is not None:
        links.same(op.bias, 0, op.result, out)


@CHANNELS.rule(MatMul)
def matmul(op: MatMul, links: Links) -> None:
    """The contracted axes of both operands go together; rows of a and columns of b are the
    result's."""
    a, b, y = op.a, op.b, op.result
    if a.type.rank < 2 or b.type.rank < 2:
        return
    a_rows, a_depth = (-1, -2) if op.transpose_a else (-2, -1)
    b_depth, b_columns = (-1, -2) if op.transpose_b else (-2, -1)
    rank = y.type.rank
    if isinstance(b, Constant):
        links.source(b, b.type.rank + b_columns, y, rank - 1)
    if isinstance(a, Constant):
        links.source(a, a.type.rank + a_rows, y, rank - 2)
    links.same(a, a.type.rank + a_depth, b, b.type.rank + b_depth)
    links.same(a, a.type.rank + a_rows, y, rank - 2)
    links.same(b, b.type.rank + b_columns, y, rank - 1)
    for value in (a, b):
        for axis in range(value.type.rank - 2):
            links.same(value, axis, y, axis + rank - value.type.rank)
    if op.bias is not None:
        for axis in range(op.bias.type.rank):
            links.same(op.bias, axis, y, axis + rank - op.bias.type.rank)


@CHANNELS.rule(AvgPool, LpPool, MaxPool)
def pool(op: AvgPool | LpPool | MaxPool, links: Links) -> None:
    axis = _channel_axis(op.x, op.layout)
    if len(op.results) == 1:  # indices count through all channels
        links.same(op.x, axis, op.result, axis)
        links.same(op.x, 0, op.result, 0)


@CHANNELS.rule(BatchNorm)
def batch_norm(op: BatchNorm, links: Links) -> None:
    for axis in range(op.x.type.rank):
        links.same(op.x, axis, op.result, axis)
    for value in (op.gamma, op.beta, op.mean, op.var):
        links.same(value, 0, op.result, op.axis)


@CHANNELS.rule(InstanceNorm)
def instance_norm(op: InstanceNorm, links: Links) -> None:
    axis = _channel_axis(op.x, op.layout)
    links.same(op.x, 0, op.result, 0)
    links.same(op.x, axis, op.result, axis)
    for value in (op.gamma, op.beta):
        links.same(value, 0, op.result, axis)
