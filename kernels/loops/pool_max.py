"""Maximum over windows: flat loops over phase planes, and a plain loop that also finds where."""

from __future__ import annotations

from typing import Any

from edgec.kernels.jit import jit
from edgec.kernels.loops.windows import full_lanes, load_plane


@jit
def larger(a: Any, b: Any) -> Any:
    """The larger value; NaN if either is NaN."""
    return b if b > a or b != b else a


@jit
def max_taps(acc: Any, plane: Any, taps: Any) -> None:
    """``acc[i] = max over t of plane[i + taps[t]]``, three taps a pass."""
    n = acc.shape[0]
    count = taps.shape[0]
    first = plane[taps[0] : taps[0] + n]
    for i in range(n):
        acc[i] = first[i]
    for t in range(1, count - 2, 3):
        p0, p1, p2 = (
            plane[taps[t] : taps[t] + n],
            plane[taps[t + 1] : taps[t + 1] + n],
            plane[taps[t + 2] : taps[t + 2] + n],
        )
        for i in range(n):
            acc[i] = larger(larger(acc[i], p0[i]), larger(p1[i], p2[i]))
    for t in range(count - (count - 1) % 3, count):
        p0 = plane[taps[t] : taps[t] + n]
        for i in range(n):
            acc[i] = larger(acc[i], p0[i])


@jit
def max_planes(
    x: Any, dims: Any, phases: Any, taps: Any, rows: int, chunk_rows: int, lowest: Any,
    plane: Any, acc: Any, out: Any,
) -> None:  # fmt: skip
    """Window maxima of every plane; padding counts as ``lowest``."""
    volume = dims[0, 0] * dims[0, 1] * dims[0, 2]
    height, width = dims[3, 1], dims[3, 2]
    out_volume = dims[3, 0] * height * width
    columns = dims[4, 2]
    plane[:] = lowest
    for i in range(x.shape[0] // volume):
        load_plane(x[i * volume : (i + 1) * volume], dims, phases, plane)
        for first in range(0, rows, chunk_rows):
            used = min(chunk_rows, rows - first)
            best = acc[: full_lanes(used * columns)]
            max_taps(best, plane[first * columns :], taps)
            for r in range(used):
                z, y = (first + r) // dims[4, 1], (first + r) % dims[4, 1]
                if y < height:
                    at = i * out_volume + (z * height + y) * width
                    out[at : at + width] = best[r * columns : r * columns + width]


@jit
def max_planes_with_indices(
    x: Any, dims: Any, window: Any, steps: Any, lowest: Any, out: Any, indices: Any
) -> None:
    """Window maxima and the flat position of the first; rows of ``window``: kernel, dilation."""
    depth, height, width = dims[0, 0], dims[0, 1], dims[0, 2]
    volume = depth * height * width
    out_volume = dims[3, 0] * dims[3, 1] * dims[3, 2]
    for i in range(out.shape[0]):
        base = i // out_volume * volume
        z0 = (i % out_volume) // (dims[3, 1] * dims[3, 2]) * dims[1, 0] - dims[2, 0]
        y0 = (i // dims[3, 2]) % dims[3, 1] * dims[1, 1] - dims[2, 1]
        x0 = i % dims[3, 2] * dims[1, 2] - dims[2, 2]
        best, where = lowest, -1
        for kz in range(window[0, 0]):
            z = z0 + kz * window[1, 0]
            for ky in range(window[0, 1]):
                y = y0 + ky * window[1, 1]
                if not (0 <= z < depth and 0 <= y < height):
                    continue
                for kx in range(window[0, 2]):
                    column = x0 + kx * window[1, 2]
                    if 0 <= column < width:
                        value = x[base + (z * height + y) * width + column]
                        if where < 0 or value > best or (value != value and best == best):
                            best = value
                            where = base + z * steps[0] + y * steps[1] + column * steps[2]
        out[i] = best
        indices[i] = where
