"""Pooling over sliding windows."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgec.ir import Constant, Ints, known_ints
from edgec.ir.ops import AvgPool, LpPool, MaxPool, MaxUnpool
from edgec.ir.ops.common import split_layout
from edgec.ir.ops.pool import Pool
from edgec.lowering.openvino.layouts import as_given, channels_first
from edgec.lowering.openvino.nn import padded_window
from edgec.lowering.openvino.table import OPENVINO, Output, limit
from edgec.lowering.openvino.writer import Writer


def _window(op: Pool) -> dict[str, Any]:
    """``ceil_torch`` starts no window in the end padding."""
    return {
        **padded_window(op.window),
        "kernel_shape": [*op.kernel],
        "rounding_type": "ceil_torch" if op.ceil else "floor",
    }


@limit(MaxPool)
def max_pool_limit(op: MaxPool) -> str | None:
    if op.indices and op.storage_order:
        return "MaxPool counts positions row by row, not by columns (storage_order 1)"
    return None


@OPENVINO.rule(MaxPool)
def max_pool(op: MaxPool, w: Writer) -> list[Output]:
    node = w.ops.max_pool(channels_first(op.x, op.layout, w), **_window(op))
    return [as_given(y, op.x.type.rank, op.layout, w) for y in node.outputs()[: len(op.results)]]


@limit(AvgPool, LpPool)
def windows_limit(op: AvgPool | LpPool) -> str | None:
    """Sums over windows are convolutions, whose padding must be known."""
    plain = isinstance(op, AvgPool) and not any(step > 1 for step in op.dilation)
    if plain or op.x.type.static_dims is not None:
        return None
    return f"a window sum is written with known dims, found {op.x.type}"


@OPENVINO.rule(AvgPool)
def avg_pool(op: AvgPool, w: Writer) -> Output:
    x = channels_first(op.x, op.layout, w)
    if any(step > 1 for step in op.dilation):
        y = w.ops.divide(_window_sums(op, x, w), w.like(_counts(op), op.x))
    else:
        window = _window(op)
        del window["dilations"]
        y = w.ops.avg_pool(x, exclude_pad=not op.count_include_pad, **window)
    return as_given(y, op.x.type.rank, op.layout, w)


@OPENVINO.rule(LpPool)
def lp_pool(op: LpPool, w: Writer) -> Output:
    x = w.ops.abs(channels_first(op.x, op.layout, w))
    if op.p == 1:
        y = _window_sums(op, x, w)
    else:
        sums = _window_sums(op, w.ops.power(x, w.like(op.p, op.x)), w)
        y = w.ops.sqrt(sums) if op.p == 2 else w.ops.power(sums, w.like(1 / op.p, op.x))
    return as_given(y, op.x.type.rank, op.layout, w)


def _window_sums(op: Pool, x: Output, w: Writer) -> Output:
    """A convolution of each channel with ones."""
    _, channels, _ = split_layout(op.x.type.dims, op.layout)
    assert isinstance(channels, int)
    begin, end = _padding(op)
    ones = np.ones((channels, 1, 1, *op.kernel))
    window = padded_window(op.window) | {
        "pads_begin": [*begin], "pads_end": [*end], "auto_pad": "explicit"
    }  # fmt: skip
    return w.ops.group_convolution(x, w.like(ones, op.x), **window)


def _sizes(op: Pool) -> Ints:
    _, _, spatial = split_layout(op.x.type.dims, op.layout)
    return tuple(size for size in spatial if isinstance(size, int))


def _padding(op: Pool) -> tuple[Ints, Ints]:
    """Begin and end padding, the end such that it reaches to where the last window does."""
    window, sizes = op.window, _sizes(op)
    begin, end = window.padding(sizes)
    counts = [count for count in window.counts(sizes) if isinstance(count, int)]
    reach = [
        (count - 1) * window.strides[i] + window.extents[i] - sizes[i] - begin[i]
        for i, count in enumerate(counts)
    ]
    return begin, tuple(max(e, r) if op.ceil else e for e, r in zip(end, reach, strict=True))


def _counts(op: AvgPool) -> np.ndarray[Any, Any]:
    """How many samples each window averages."""
    sizes, window = _sizes(op), op.window
    given_begin, given_end = window.padding(sizes)
    _, reach = _padding(op)
    total = np.ones((1,) * 2)
    for i, size in enumerate(sizes):
        inside = np.zeros(size + given_begin[i] + reach[i])
        first = 0 if op.count_include_pad else given_begin[i]
        last = given_begin[i] + size + (given_end[i] if op.count_include_pad else 0)
        inside[first:last] = 1
        starts = np.arange(0, inside.size - window.extents[i] + 1, window.strides[i])
        taps = starts[:, None] + np.arange(window.kernel[i]) * window.dilations[i]
        total = total[..., None] * inside[taps].sum(axis=1)
    return total


@limit(MaxUnpool)
def max_unpool_limit(op: MaxUnpool) -> str | None:
    if op.x.type.static_dims is None:
        return f"unpooling is written with known dims, found {op.x.type}"
    if op.shape is not None and not isinstance(op.shape, Constant):
        return "the dims to unpool to are computed at run time"
    return None


@OPENVINO.rule(MaxUnpool)
def max_unpool(op: MaxUnpool, w: Writer) -> Output:
    """By scattering into zeros, with more zeros at the end."""
    inner = [dim for dim in (*op.x.type.dims[:2], *op.unpooled) if isinstance(dim, int)]
    zeros = w.like(np.zeros(int(np.prod(inner))), op.x)
    flat = w.ints([-1])
    places = w.ops.reshape(w[op.indices], flat, False)
    updates = w.ops.reshape(w[op.x], flat, False)
    y = w.ops.scatter_elements_update(zeros, places, updates, w.const(0, None))
    y = w.ops.reshape(y, w.ints(inner), False)
    wanted = None if op.shape is None else known_ints(op.shape)
    if wanted is None or [*wanted] == inner:
        return y
    ends = [whole - size for whole, size in zip(wanted, inner, strict=True)]
    return w.ops.pad(y, w.ints([0] * len(ends)), w.ints(ends), "constant", w.like(0, op.x))
