"""Flat multiply-accumulate over the taps of a window (see ``windows``).

``acc[i] += sum over t of w[t] * plane[i + taps[t]]``. Each pass takes as many taps as registers
allow, because a pass costs one load and one store of the accumulator.
"""

from __future__ import annotations

from typing import Any

from edgec.kernels.jit import jit


@jit
def add_one(acc: Any, plane: Any, taps: Any, w: Any) -> None:
    n = acc.shape[0]
    p = plane[taps[0] : taps[0] + n]
    w0 = w[0]
    for i in range(n):
        acc[i] += w0 * p[i]


@jit
def add_three(acc: Any, plane: Any, taps: Any, w: Any) -> None:
    n = acc.shape[0]
    p0, p1, p2 = (
        plane[taps[0] : taps[0] + n],
        plane[taps[1] : taps[1] + n],
        plane[taps[2] : taps[2] + n],
    )
    w0, w1, w2 = w[0], w[1], w[2]
    for i in range(n):
        acc[i] += w0 * p0[i] + w1 * p1[i] + w2 * p2[i]


@jit
def add_eight(acc: Any, plane: Any, taps: Any, w: Any) -> None:
    n = acc.shape[0]
    p0, p1, p2, p3 = (
        plane[taps[0] : taps[0] + n],
        plane[taps[1] : taps[1] + n],
        plane[taps[2] : taps[2] + n],
        plane[taps[3] : taps[3] + n],
    )
    p4, p5, p6, p7 = (
        plane[taps[4] : taps[4] + n],
        plane[taps[5] : taps[5] + n],
        plane[taps[6] : taps[6] + n],
        plane[taps[7] : taps[7] + n],
    )
    w0, w1, w2, w3, w4, w5, w6, w7 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]
    for i in range(n):
        left = w0 * p0[i] + w1 * p1[i] + w2 * p2[i] + w3 * p3[i]
        acc[i] += left + w4 * p4[i] + w5 * p5[i] + w6 * p6[i] + w7 * p7[i]


@jit
def add_nine(acc: Any, plane: Any, taps: Any, w: Any) -> None:
    n = acc.shape[0]
    p0, p1, p2 = (
        plane[taps[0] : taps[0] + n],
        plane[taps[1] : taps[1] + n],
        plane[taps[2] : taps[2] + n],
    )
    p3, p4, p5 = (
        plane[taps[3] : taps[3] + n],
        plane[taps[4] : taps[4] + n],
        plane[taps[5] : taps[5] + n],
    )
    p6, p7, p8 = (
        plane[taps[6] : taps[6] + n],
        plane[taps[7] : taps[7] + n],
        plane[taps[8] : taps[8] + n],
    )
    w0, w1, w2, w3, w4, w5, w6, w7, w8 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8]
    for i in range(n):
        top = w0 * p0[i] + w1 * p1[i] + w2 * p2[i]
        middle = w3 * p3[i] + w4 * p4[i] + w5 * p5[i]
        acc[i] += top + middle + w6 * p6[i] + w7 * p7[i] + w8 * p8[i]


@jit
def add_nine_twice(acc: Any, other: Any, plane: Any, taps: Any, w: Any, v: Any) -> None:
    """Nine taps into the accumulators of two output channels: each sample is loaded once."""
    n = acc.shape[0]
    p0, p1, p2 = (
        plane[taps[0] : taps[0] + n],
        plane[taps[1] : taps[1] + n],
        plane[taps[2] : taps[2] + n],
    )
    p3, p4, p5 = (
        plane[taps[3] : taps[3] + n],
        plane[taps[4] : taps[4] + n],
        plane[taps[5] : taps[5] + n],
    )
    p6, p7, p8 = (
        plane[taps[6] : taps[6] + n],
        plane[taps[7] : taps[7] + n],
        plane[taps[8] : taps[8] + n],
    )
    w0, w1, w2, w3, w4, w5, w6, w7, w8 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8]
    v0, v1, v2, v3, v4, v5, v6, v7, v8 = v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8]
    for i in range(n):
        x0, x1, x2 = p0[i], p1[i], p2[i]
        x3, x4, x5 = p3[i], p4[i], p5[i]
        x6, x7, x8 = p6[i], p7[i], p8[i]
        top = w0 * x0 + w1 * x1 + w2 * x2
        acc[i] += top + w3 * x3 + w4 * x4 + w5 * x5 + w6 * x6 + w7 * x7 + w8 * x8
        other_top = v0 * x0 + v1 * x1 + v2 * x2
        other[i] += other_top + v3 * x3 + v4 * x4 + v5 * x5 + v6 * x6 + v7 * x7 + v8 * x8


@jit
def add_taps(acc: Any, plane: Any, taps: Any, w: Any) -> None:
    """All taps, in passes of nine, eight, three and one (5 x 5 is 9 + 8 + 8, 7 x 7 is 9 + 5 * 8)."""
    total = taps.shape[0]
    t = 0
    while t < total:
        left = total - t
        if left >= 8 and left % 8 == 0:
            add_eight(acc, plane, taps[t:], w[t:])
            t += 8
        elif left >= 9:
            add_nine(acc, plane, taps[t:], w[t:])
            t += 9
        elif left >= 3:
            add_three(acc, plane, taps[t:], w[t:])
            t += 3
        else:
            add_one(acc, plane, taps[t:], w[t:])
            t += 1


@jit
def store_rows(acc: Any, first: int, count: int, dims: Any, lo: Any, hi: Any, out: Any) -> None:
    """Clip the accumulators of flat rows ``first .. first + count`` into one output plane."""
    height, width = dims[3, 1], dims[3, 2]
    rows, columns = dims[4, 1], dims[4, 2]
    for r in range(count):
        z, y = (first + r) // rows, (first + r) % rows
        if y < height:
            at = (z * height + y) * width
            clip_into(acc[r * columns : r * columns + width], lo, hi, out[at : at + width])


@jit
def clip_into(values: Any, lo: Any, hi: Any, out: Any) -> None:
    """``out = clip(values, lo, hi)``; the comparisons are ordered so that NaN passes through."""
    for i in range(out.shape[0]):
        value = values[i]
        value = lo if value < lo else value
        out[i] = hi if value > hi else value
