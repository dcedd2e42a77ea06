"""Kernels of convolutions."""

from __future__ import annotations

from math import inf

import numpy as np

from edgec.ir import Array, Ints, dtypes
from edgec.ir.ops import Conv
from edgec.ir.ops.common import per_axis, same_padding
from edgec.kernels.fused import apply_fused, clip_bounds
from edgec.kernels.loops.scratch import Scratch
from edgec.kernels.table import KERNELS


_SCRATCH = Scratch()  # grows to the largest layer seen


@KERNELS.rule(Conv)
def conv(op: Conv, x: Array, w: Array, bias: Array | None, *, out: Array | None) -> Array:
    """Accumulates in float32 (float64 for float64): at most K·u·Σ|x·w| away from the exact sum of
    K products (see ``loops/conv.py``)."""
    from edgec.kernels.loops import conv as loops  # numba is imported on first need

    dtype = np.float64 if op.x.type.dtype is dtypes.f64 else np.float32
    last = op.layout == "nhwc"
    source = np.ascontiguousarray(np.moveaxis(x, -1, 1) if last else x, dtype=dtype)
    weight = np.ascontiguousarray(w, dtype=dtype)
    offset = None if bias is None else np.ascontiguousarray(bias, dtype=dtype)
    count = source.ndim - 2
    stride, dilation = per_axis(op.stride, count, "stride"), per_axis(op.dilation, count, "dilation")
    begin, end = explicit_pads(op, source.shape[2:], w.shape[2:])
    spatial = [
        loops.output_size(size, w.shape[2 + i], stride[i], begin[i], end[i], dilation[i])
        for i, size in enumerate(source.shape[2:])
    ]
    bounds = clip_bounds(op.act, op.act_params)
    low, high = bounds or (-inf, inf)
    direct = out is not None and not last and out.dtype == dtype
    shape = (source.shape[0], w.shape[0], *spatial)
    y = out if direct and out is not None else np.empty(shape, dtype)
    loops.conv(
        source, weight, offset, stride, begin, end, dilation, op.groups, low, high, y, _SCRATCH
    )
    if bounds is None:
        apply_fused(op.act, op.act_params, y)
    if direct:
        return y
    moved = np.moveaxis(y, 1, -1) if last else y
    return np.ascontiguousarray(moved, dtype=op.x.type.dtype.numpy)


def explicit_pads(op: Conv, sizes: Ints, kernel: Ints) -> tuple[Ints, Ints]:
    """Begin and end padding per spatial axis, ``auto_pad`` resolved for the actual sizes."""
    count = len(sizes)
    if op.auto_pad == "explicit":
        pads = per_axis(op.pads, 2 * count, "pads", default=0)
        return pads[:count], pads[count:]
    stride, dilation = per_axis(op.stride, count, "stride"), per_axis(op.dilation, count, "dilation")
    pairs = [
        same_padding(size, kernel[i], stride[i], dilation[i], op.auto_pad == "same_upper")
        for i, size in enumerate(sizes)
    ]
    return tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)
