"""Flat multiply-accumulate over the taps of a window (see ``windows``).

``acc[i] += sum over t of w[t] * plane[i + taps[t]]``. Each pass takes as many taps as registers
allow, because a pass costs one load and one store of the accumulator. Unsigned indices spare each
access the test for a negative one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgec.kernels.jit import jit


@jit
def add_one(acc: Any, plane: Any, taps: Any, w: Any) -> None:
    t0 = np.uintp(taps[0])
    w0 = w[0]
    for n in range(acc.shape[0]):
        i = np.uintp(n)
        acc[i] += w0 * plane[i + t0]


@jit
def add_three(acc: Any, plane: Any, taps: Any, w: Any) -> None:
    t0, t1, t2 = np.uintp(taps[0]), np.uintp(taps[1]), np.uintp(taps[2])
    w0, w1, w2 = w[0], w[1], w[2]
    for n in range(acc.shape[0]):
        i = np.uintp(n)
        acc[i] += w0 * plane[i + t0] + w1 * plane[i + t1] + w2 * plane[i + t2]


@jit
def add_eight(acc: Any, plane: Any, taps: Any, w: Any) -> None:
    t0, t1, t2 = np.uintp(taps[0]), np.uintp(taps[1]), np.uintp(taps[2])
    t3, t4, t5 = np.uintp(taps[3]), np.uintp(taps[4]), np.uintp(taps[5])
    t6, t7 = np.uintp(taps[6]), np.uintp(taps[7])
    w0, w1, w2, w3, w4, w5, w6, w7 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]
    for n in range(acc.shape[0]):
        i = np.uintp(n)
        first = w0 * plane[i + t0] + w1 * plane[i + t1] + w2 * plane[i + t2] + w3 * plane[i + t3]
        then = w4 * plane[i + t4] + w5 * plane[i + t5] + w6 * plane[i + t6]
        acc[i] += first + then + w7 * plane[i + t7]


@jit
def add_nine(acc: Any, plane: Any, taps: Any, w: Any) -> None:
    t0, t1, t2 = np.uintp(taps[0]), np.uintp(taps[1]), np.uintp(taps[2])
    t3, t4, t5 = np.uintp(taps[3]), np.uintp(taps[4]), np.uintp(taps[5])
    t6, t7, t8 = np.uintp(taps[6]), np.uintp(taps[7]), np.uintp(taps[8])
    w0, w1, w2, w3, w4, w5, w6, w7, w8 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8]
    for n in range(acc.shape[0]):
        i = np.uintp(n)
        first = w0 * plane[i + t0] + w1 * plane[i + t1] + w2 * plane[i + t2] + w3 * plane[i + t3]
        then = w4 * plane[i + t4] + w5 * plane[i + t5] + w6 * plane[i + t6]
        acc[i] += first + then + w7 * plane[i + t7] + w8 * plane[i + t8]


@jit
def add_nine_twice(acc: Any, other: Any, plane: Any, taps: Any, w: Any, v: Any) -> None:
    """Nine taps into the accumulators of two output channels: each sample is loaded once."""
    t0, t1, t2 = np.uintp(taps[0]), np.uintp(taps[1]), np.uintp(taps[2])
    t3, t4, t5 = np.uintp(taps[3]), np.uintp(taps[4]), np.uintp(taps[5])
    t6, t7, t8 = np.uintp(taps[6]), np.uintp(taps[7]), np.uintp(taps[8])
    w0, w1, w2, w3, w4, w5, w6, w7, w8 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8]
    v0, v1, v2, v3, v4, v5, v6, v7, v8 = v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8]
    for n in range(acc.shape[0]):
        i = np.uintp(n)
        x0, x1, x2 = plane[i + t0], plane[i + t1], plane[i + t2]
        x3, x4, x5 = plane[i + t3], plane[i + t4], plane[i + t5]
        x6, x7, x8 = plane[i + t6], plane[i + t7], plane[i + t8]
        top = w0 * x0 + w1 * x1 + w2 * x2
        acc[i] += top + w3 * x3 + w4 * x4 + w5 * x5 + w6 * x6 + w7 * x7 + w8 * x8
        top = v0 * x0 + v1 * x1 + v2 * x2
        other[i] += top + v3 * x3 + v4 * x4 + v5 * x5 + v6 * x6 + v7 * x7 + v8 * x8


@jit
def add_taps(acc: Any, plane: Any, taps: Any, w: Any) -> None:
    """All taps, in passes of nine, eight, three, one: 5 x 5 is 9 + 8 + 8, 7 x 7 is 9 + 5 * 8."""
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
