"""From 32-bit sums to 8-bit results by TFLite's two rounding rules, for any factor.

``rescale`` multiplies in fixed point and rounds twice (see ``kernels/integer_fixed_point.py``);
``rescale_float`` multiplies by a double and rounds halves away from zero. Both take one factor per
column of a matrix of sums.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgec.kernels.jit import jit


@jit
def rescale(
    sums: Any, pitch: int, rows: int, bias: Any, mantissas: Any, shifts: Any, ends: Any, out: Any,
    out_pitch: int,
) -> None:  # fmt: skip
    """``out[row, column] = clip((sums + bias) * factor + zero point)`` for flat matrices of
    ``pitch`` sums and ``out_pitch`` results a row; ``ends`` holds zero point, low, high."""
    zero_point, low, high = ends[0], ends[1], ends[2]
    columns = bias.shape[0]
    for row in range(rows):
        source = sums[row * pitch : row * pitch + columns]
        target = out[row * out_pitch : row * out_pitch + columns]
        for c in range(columns):
            shift = shifts[c]
            right = max(-shift, 0)
            total = np.int64(np.int32(source[c] + bias[c]))
            x = np.int64(np.int32(total << max(shift, 0)))
            product = (x * mantissas[c] + (1 << 30)) >> 31
            down = (product >> 63) & -min(right, 1)
            y = ((product + ((1 << right) >> 1) + down) >> right) + zero_point
            target[c] = np.int8(min(max(y, low), high))


@jit
def rescale_float(
    sums: Any, pitch: int, rows: int, bias: Any, factors: Any, ends: Any, out: Any, out_pitch: int
) -> None:
    """``rescale`` by doubles: the product is rounded once, halves away from zero."""
    zero_point, low, high = ends[0], ends[1], ends[2]
    columns = bias.shape[0]
    for row in range(rows):
        for c in range(columns):
            y = np.float64(np.int32(sums[row * pitch + c] + bias[c])) * factors[c]
            whole = np.trunc(y)
            if abs(y - whole) >= 0.5:
                whole += np.copysign(1.0, y)
            out[row * out_pitch + c] = np.int8(min(max(whole + zero_point, low), high))
