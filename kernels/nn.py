"""Kernels of convolutions."""

from __future__ import annotations

from functools import lru_cache
from math import inf

import numpy as np

from edgec.ir import Array, Ints
from edgec.ir.ops import Conv, ConvTranspose, DeformConv
from edgec.ir.ops.windows import Window
from edgec.kernels.fused import apply_fused, clip_bounds
from edgec.kernels.layouts import channels_first, channels_placed
from edgec.kernels.loops.scratch import Scratch
from edgec.kernels.precision import widened, working
from edgec.kernels.table import KERNELS

_SCRATCH = Scratch()  # grows to the largest layer seen


@KERNELS.rule(Conv)
def conv(op: Conv, x: Array, w: Array, bias: Array | None, *, out: Array | None) -> Array:
    """Accumulates in float32 (float64 for float64): at most K·u·Σ|x·w| away from the exact sum of
    K products (see ``loops/conv.py``)."""
    from edgec.kernels.loops import conv as loops  # numba is imported on first need

    source, weight, offset = _prepared(op, x, w, bias)
    window = op.window
    begin, end, spatial = _windows(window, source.shape[2:])
    bounds = clip_bounds(op.act, op.act_params)
    low, high = bounds or (-inf, inf)
    y = _target(op, out, (source.shape[0], w.shape[0], *spatial))
    loops.conv(
        source, weight, offset, window.strides, begin, end, window.dilations, op.groups,
        low, high, y, _SCRATCH,
    )  # fmt: skip
    if bounds is None:
        apply_fused(op.act, op.act_params, y)
    return channels_placed(y, op.layout, op.x.type.dtype)


@KERNELS.rule(ConvTranspose)
def conv_transpose(
    op: ConvTranspose, x: Array, w: Array, bias: Array | None, *, out: Array | None
) -> Array:
    """Accumulates in float32 (float64 for float64): at most K·u·Σ|x·w| away from the exact sum of
    K products, K = C·taps."""
    from edgec.kernels.loops import conv_transpose as loops

    source, weight, offset = _prepared(op, x, w, bias)
    window = op.window
    begin, end = window.padding(source.shape[2:])
    extra = op.output_padding or (0,) * window.axes
    spatial = [
        window.strides[i] * (size - 1) + window.extents[i] + extra[i] - begin[i] - end[i]
        for i, size in enumerate(source.shape[2:])
    ]
    y = _target(op, out, (source.shape[0], w.shape[1] * op.groups, *spatial))
    loops.conv_transpose(
        source, weight, offset, window.strides, begin, window.dilations, op.groups, y, _SCRATCH
    )
    apply_fused(op.act, op.act_params, y)
    return channels_placed(y, op.layout, op.x.type.dtype)


@KERNELS.rule(DeformConv)
def deform_conv(
    op: DeformConv, x: Array, w: Array, offset: Array, bias: Array | None, mask: Array | None
) -> Array:
    """Samples in float64 rounded once, accumulates as conv: at most (K + 2)·u·Σ|x·w| away."""
    from edgec.kernels.loops import deform_conv as loops

    source = np.ascontiguousarray(widened(x))
    window = op.window
    begin, _ = window.padding(x.shape[2:])
    y = np.empty((x.shape[0], w.shape[0], *offset.shape[2:]), source.dtype)
    loops.deform_conv(
        source, np.ascontiguousarray(widened(w)), widened(offset),
        None if bias is None else widened(bias), None if mask is None else widened(mask),
        window.strides, begin, window.dilations, op.groups, op.offset_groups, y, _SCRATCH,
    )  # fmt: skip
    return channels_placed(y, "nchw", op.x.type.dtype)


@lru_cache(maxsize=1024)
def _windows(window: Window, sizes: Ints) -> tuple[Ints, Ints, Ints]:
    """Begin and end padding, and the number of windows, for the actual sizes of the axes."""
    begin, end = window.padding(sizes)
    counts = tuple(
        (size + begin[i] + end[i] - window.extents[i]) // window.strides[i] + 1
        for i, size in enumerate(sizes)
    )
    return begin, end, counts


def _prepared(
    op: Conv | ConvTranspose, x: Array, w: Array, bias: Array | None
) -> tuple[Array, Array, Array | None]:
    """The operands in the dtype to accumulate in, contiguous, channels first."""
    dtype = working(op.x.type.dtype.numpy)
    offset = None if bias is None else np.ascontiguousarray(bias, dtype=dtype)
    return channels_first(x, op.layout), np.ascontiguousarray(w, dtype=dtype), offset


def _target(op: Conv | ConvTranspose, out: Array | None, shape: tuple[int, ...]) -> Array:
    """The executor's buffer where the result can be computed in place, else a new array."""
    dtype = working(op.x.type.dtype.numpy)
    if out is not None and op.layout == "nchw" and out.dtype == dtype:
        return out
    return np.empty(shape, dtype)
