"""Pooling over sliding windows."""

from __future__ import annotations

import math
from typing import Any

from edgec.ir import Ints
from edgec.ir.ops import AvgPool, LpPool, MaxPool
from edgec.ir.ops.pool import Pool
from edgec.lowering.tensorrt.layers import out
from edgec.lowering.tensorrt.layouts import as_given, channels_first
from edgec.lowering.tensorrt.nn import set_padding, spatial_of
from edgec.lowering.tensorrt.table import TENSORRT, Tensor, limit
from edgec.lowering.tensorrt.writer import Writer


@limit(MaxPool, AvgPool, LpPool)
def pool_limit(op: Pool) -> str | None:
    if any(step > 1 and size > 1 for step, size in zip(op.dilation, op.kernel, strict=False)):
        return f"pooling windows have no dilation (found {[*op.dilation]})"
    if isinstance(op, MaxPool) and op.indices:
        return "max pooling does not tell where the maxima are"
    sizes = spatial_of(op.x, op.layout)
    if op.ceil and sizes is None:
        return "the last, overhanging window (ceil) is only placed where the dims are known"
    return None


@TENSORRT.rule(MaxPool)
def max_pool(op: MaxPool, w: Writer) -> Tensor:
    y = _pooled(op, channels_first(op.x, op.layout, w), "MAX", w)
    return as_given(y, op.x.type.rank, op.layout, w)


@TENSORRT.rule(AvgPool)
def avg_pool(op: AvgPool, w: Writer) -> Tensor:
    """Padding that counts is put on first: what only overhangs must not."""
    x = channels_first(op.x, op.layout, w)
    if not op.count_include_pad:
        return as_given(_pooled(op, x, "AVERAGE", w), op.x.type.rank, op.layout, w)
    sizes = spatial_of(op.x, op.layout)
    if sizes is None:
        layer = _layer(op, x, "AVERAGE", w)
        layer.average_count_excludes_padding = False
        return as_given(out(layer), op.x.type.rank, op.layout, w)
    begin, end = op.window.padding(sizes)
    padded = _zeros_around(x, begin, end, w)
    over = tuple(r - e for r, e in zip(_reach(op, sizes), end, strict=True))
    y = _pooled(op, padded, "AVERAGE", w, ((0,) * len(over), over))
    return as_given(y, op.x.type.rank, op.layout, w)


@TENSORRT.rule(LpPool)
def lp_pool(op: LpPool, w: Writer) -> Tensor:
    """The sum is the average of all samples, zeros of the padding included, times their number."""
    x = w.unary("ABS", channels_first(op.x, op.layout, w))
    powers = x if op.p == 1 else w.binary("POW", x, w.like(op.p, x))
    sizes = spatial_of(op.x, op.layout)
    if sizes is not None:
        begin, _ = op.window.padding(sizes)
        powers = _zeros_around(powers, begin, _reach(op, sizes), w)
        layer = _layer(op, powers, "AVERAGE", w, ((0,) * len(begin), (0,) * len(begin)))
    else:
        layer = _layer(op, powers, "AVERAGE", w)
    layer.average_count_excludes_padding = False
    y = out(layer)
    total = w.binary("PROD", y, w.like(math.prod(op.kernel), y))
    if op.p > 1:
        root = w.like(1 / op.p, total)
        total = w.unary("SQRT", total) if op.p == 2 else w.binary("POW", total, root)
    return as_given(total, op.x.type.rank, op.layout, w)


def _pooled(
    op: Pool, x: Tensor, kind: str, w: Writer, pads: tuple[Ints, Ints] | None = None
) -> Tensor:
    return out(_layer(op, x, kind, w, pads))


def _layer(op: Pool, x: Tensor, kind: str, w: Writer, pads: tuple[Ints, Ints] | None = None) -> Any:
    window = op.window
    layer = w.net.add_pooling_nd(x, getattr(w.trt.PoolingType, kind), _two(op.kernel, 1))
    out(layer)
    layer.stride_nd = _two(window.strides, 1)
    sizes = spatial_of(op.x, op.layout)
    if pads is None and sizes is None:
        set_padding(layer, window, None, w)
        return layer
    begin, end = pads or (window.padding(sizes or ())[0], _reach(op, sizes or ()))
    layer.pre_padding, layer.post_padding = _two(begin, 0), _two(end, 0)
    return layer


def _two(values: Ints, default: int) -> Ints:
    return values if len(values) > 1 else (default, *values)


def _reach(op: Pool, sizes: Ints) -> Ints:
    """End padding such that the last window, which may overhang, just fits."""
    window = op.window
    begin, end = window.padding(sizes)
    counts = [count for count in window.counts(sizes) if isinstance(count, int)]
    reach = [
        (count - 1) * window.strides[i] + window.extents[i] - sizes[i] - begin[i]
        for i, count in enumerate(counts)
    ]
    return tuple(max(e, r) if op.ceil else e for e, r in zip(end, reach, strict=True))


def _zeros_around(x: Tensor, begin: Ints, end: Ints, w: Writer) -> Tensor:
    if not any((*begin, *end)):
        return x
    before, after = (0, 0, *_two(begin, 0)), (0, 0, *_two(end, 0))
    start = [-pad for pad in before]
    sizes = w.sizes(x)
    added = [b + e for b, e in zip(before, after, strict=True)]
    known = [s + n if isinstance(s, int) else 0 for s, n in zip(sizes, added, strict=True)]
    layer = w.net.add_slice(x, start, known, [1] * len(start))
    layer.mode = w.trt.SampleMode.FILL
    if not all(isinstance(size, int) for size in sizes):
        layer.set_input(2, w.binary("SUM", w.listed(sizes), w.ints(added)))
    layer.set_input(4, w.like(0, x))
    return out(layer)
