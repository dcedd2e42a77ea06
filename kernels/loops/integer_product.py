"""Products of 8-bit matrices in 32-bit sums: weights packed for the tiles, tiles over the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgec.kernels.jit import jit
from edgec.kernels.loops.integer_dot import PANEL, ROWS, rescaling_tile, summing_tile
from edgec.kernels.loops.integer_vectors import DEPTH, LANES
from edgec.kernels.loops.scratch import Scratch

Array = NDArray[Any]

OFFSET = 128  # rows are stored as u8: 128 more than the i8 that they stand for
BLOCK_BYTES = 1 << 17  # rows of a block: they stay in the second-level cache
SLACK = 64  # bytes that whole vectors may write or read beyond the end

_sum_one, _sum_two = summing_tile(1), summing_tile(2)
_rescale_one, _rescale_two = rescaling_tile(1), rescaling_tile(2)


@dataclass(frozen=True)
class Packed:
    """A matrix of i8 weights [columns, depth] as the tiles read it, and each column's sum."""

    panels: Array
    sums: Array
    columns: int
    depth: int

    @property
    def steps(self) -> int:
        return -(-self.depth // DEPTH)

    @property
    def row_pitch(self) -> int:
        """Bytes of a row of the left matrix."""
        return self.steps * DEPTH

    @property
    def sum_pitch(self) -> int:
        """Sums of a row of the product, unused columns included."""
        return -(-self.columns // LANES) * LANES

    @property
    def block_rows(self) -> int:
        """Rows of a block, whole tiles."""
        return max(ROWS, BLOCK_BYTES // self.row_pitch // ROWS * ROWS)


def packed(weights: Array) -> Packed:
    """``weights`` [columns, depth] with zeros up to whole panels and steps."""
    columns, depth = weights.shape
    panels, steps = -(-columns // LANES), max(1, -(-depth // DEPTH))
    whole = np.zeros((panels * LANES, steps * DEPTH), np.int8)
    whole[:columns, :depth] = weights
    tiled = whole.reshape(panels, LANES, steps, DEPTH).transpose(0, 2, 1, 3)
    sums = weights.sum(axis=1, dtype=np.int64)
    return Packed(aligned(tiled), sums, columns, max(depth, 1))


def aligned(array: Array) -> Array:
    """A flat copy that starts at a cache line, so that no vector crosses one."""
    memory = Scratch()(array.size, array.dtype)
    memory.reshape(array.shape)[...] = array
    return memory


@jit
def multiply(rows: Any, count: int, panels: Any, steps: int, sums: Any) -> None:
    """``sums[row, column]`` of ``count`` rows, computed in whole tiles: ``rows`` and ``sums`` have
    room for them, and what lies beyond the last row is arbitrary."""
    row_pitch = steps * DEPTH
    panel_pitch = steps * PANEL
    total = panels.shape[0] // panel_pitch
    sum_pitch = total * LANES
    for tile in range((count + ROWS - 1) // ROWS):
        a_at, c_at = tile * ROWS * row_pitch, tile * ROWS * sum_pitch
        for panel in range(0, total - 1, 2):
            _sum_two((
                rows, a_at, row_pitch, panels, panel * panel_pitch, panel_pitch, steps,
                sums, c_at + panel * LANES, sum_pitch,
            ))  # fmt: skip
        if total % 2:
            panel = total - 1
            _sum_one((
                rows, a_at, row_pitch, panels, panel * panel_pitch, panel_pitch, steps,
                sums, c_at + panel * LANES, sum_pitch,
            ))  # fmt: skip


@jit
def multiply_rescaled(
    rows: Any, count: int, panels: Any, steps: int, factors: Any, ends: Any, out: Any, columns: int
) -> None:
    """``out[row, column] = rescaled sum`` of ``count`` rows, computed in whole tiles and panels.

    What a tile writes beyond the end of a row is overwritten by what comes later: tiles go down
    the rows, panels from the last to the first. Beyond the last row there is room for a tile.
    """
    zero_point, low, high = ends[0], ends[1], ends[2]
    row_pitch = steps * DEPTH
    panel_pitch = steps * PANEL
    total = panels.shape[0] // panel_pitch
    for tile in range((count + ROWS - 1) // ROWS):
        a_at, out_at = tile * ROWS * row_pitch, tile * ROWS * columns
        if total % 2:
            panel = total - 1
            _rescale_one((
                rows, a_at, row_pitch, panels, panel * panel_pitch, panel_pitch, steps,
                factors, panel * LANES, zero_point, low, high,
                out, out_at + panel * LANES, columns,
            ))  # fmt: skip
        for pair in range(total // 2):
            panel = (total // 2 - 1 - pair) * 2
            _rescale_two((
                rows, a_at, row_pitch, panels, panel * panel_pitch, panel_pitch, steps,
                factors, panel * LANES, zero_point, low, high,
                out, out_at + panel * LANES, columns,
            ))  # fmt: skip


@jit
def copy_rows(source: Any, count: int, depth: int, pitch: int, rows: Any) -> None:
    """Contiguous rows of i8 (seen as u8) as u8 rows of ``pitch`` bytes."""
    if depth == pitch:
        for i in range(count * depth):
            rows[i] = source[i] ^ 0x80
        return
    for row in range(count):
        given = source[row * depth : (row + 1) * depth]
        target = rows[row * pitch : row * pitch + depth]
        for i in range(depth):
            target[i] = given[i] ^ 0x80
