"""Direct convolution loops over phase planes: depthwise of any window, dense with nine taps."""

from __future__ import annotations

from typing import Any

from edgec.kernels.jit import jit
from edgec.kernels.loops.taps import add_nine, add_nine_twice, add_taps, store_rows
from edgec.kernels.loops.windows import full_lanes, load_plane


@jit
def depthwise(
    x: Any, w: Any, bias: Any, channels: int, dims: Any, phases: Any, taps: Any,
    rows: int, chunk_rows: int, plane: Any, acc: Any, lo: Any, hi: Any, out: Any,
) -> None:  # fmt: skip
    """One window per output channel; ``bias.size // channels`` outputs read each input plane."""
    volume = dims[0, 0] * dims[0, 1] * dims[0, 2]
    out_volume = dims[3, 0] * dims[3, 1] * dims[3, 2]
    multiplier = bias.shape[0] // channels
    columns, count = dims[4, 2], taps.shape[0]
    plane[:] = 0
    for i in range(x.shape[0] // volume):
        load_plane(x[i * volume : (i + 1) * volume], dims, phases, plane)
        for m in range(multiplier):
            o = (i % channels) * multiplier + m
            target = out[(i * multiplier + m) * out_volume : (i * multiplier + m + 1) * out_volume]
            for first in range(0, rows, chunk_rows):
                used = min(chunk_rows, rows - first)
                sums = acc[: full_lanes(used * columns)]
                sums[:] = bias[o]
                add_taps(sums, plane[first * columns :], taps, w[o * count : (o + 1) * count])
                store_rows(sums, first, used, dims, lo, hi, target)


@jit
def dense_nine(
    x: Any, w: Any, bias: Any, groups: int, dims: Any, phases: Any, taps: Any,
    rows: int, chunk_rows: int, pitch: int, planes: Any, acc: Any, lo: Any, hi: Any, out: Any,
) -> None:  # fmt: skip
    """Windows of nine taps; output channels go in pairs that share the loads of the input."""
    volume = dims[0, 0] * dims[0, 1] * dims[0, 2]
    out_volume = dims[3, 0] * dims[3, 1] * dims[3, 2]
    outputs = bias.shape[0]
    group_outputs = outputs // groups
    group_inputs = w.shape[0] // (outputs * 9)
    inputs = group_inputs * groups
    columns = dims[4, 2]
    half = acc.shape[0] // 2
    planes[:] = 0
    for n in range(x.shape[0] // (inputs * volume)):
        for c in range(inputs):
            at = (n * inputs + c) * volume
            load_plane(x[at : at + volume], dims, phases, planes[c * pitch :])
        for first in range(0, rows, chunk_rows):
            used = min(chunk_rows, rows - first)
            length = full_lanes(used * columns)
            left, right = acc[:length], acc[half : half + length]
            for g in range(groups):
                base = first * columns + g * group_inputs * pitch
                for o in range(g * group_outputs, (g + 1) * group_outputs, 2):
                    paired = o + 1 < (g + 1) * group_outputs
                    left[:] = bias[o]
                    right[:] = bias[o + paired]
                    for c in range(group_inputs):
                        plane = planes[base + c * pitch :]
                        at = (o * group_inputs + c) * 9
                        if paired:
                            beside = at + group_inputs * 9
                            add_nine_twice(
                                left, right, plane, taps, w[at : at + 9], w[beside : beside + 9]
                            )
                        else:
                            add_nine(left, plane, taps, w[at : at + 9])
                    at = (n * outputs + o) * out_volume
                    store_rows(left, first, used, dims, lo, hi, out[at : at + out_volume])
                    if paired:
                        at += out_volume
                        store_rows(right, first, used, dims, lo, hi, out[at : at + out_volume])
