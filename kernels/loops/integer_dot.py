"""Tiles of products of u8 rows and i8 columns, all sums of a tile in registers.

The columns lie as ``b[step][column][4]``: 16 columns (one vector) a panel, four products a step.
A tile multiplies ``ROWS`` rows of ``a`` with one or two panels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgec.kernels.jit import instructions
from edgec.kernels.loops.integer_vectors import (
    BYTES,
    DEPTH,
    HAS_DOT,
    LANES,
    SUMS,
    WORD,
    DotProduct,
    Emit,
    Ends,
    Factors,
    Loop,
    address,
    dot,
    loaded,
    number,
    offset,
    rescaled,
    splat,
)

# With two panels 24 sums, 2 vectors of weights and 1 broadcast of the 32 registers of AVX-512;
# elsewhere there are 16 registers, of half the width or less.
ROWS = 12 if HAS_DOT else 2
PANEL = LANES * DEPTH  # bytes of one step of one panel


def summing_tile(panels: int, product: DotProduct = dot) -> Any:
    """A tile that stores its sums: (a, at, pitch, b, at, pitch, steps, c, at, pitch), every pitch
    in elements from one row, or panel, to the next."""

    def emit(
        builder: Emit, a: Emit, a_at: Emit, a_pitch: Emit, b: Emit, b_at: Emit, b_pitch: Emit,
        steps: Emit, c: Emit, c_at: Emit, c_pitch: Emit,
    ) -> None:  # fmt: skip
        sums = _sums(builder, (a, a_at, a_pitch), (b, b_at, b_pitch), steps, panels, product)
        for index, total in enumerate(sums):
            row, panel = divmod(index, panels)
            at = builder.add(offset(builder, c_at, c_pitch, row), number(panel * LANES))
            builder.store(total, address(builder, c, at, SUMS), align=4)

    return instructions(emit)


def rescaling_tile(panels: int, product: DotProduct = dot) -> Any:
    """A tile that stores i8 results: (a, at, pitch, b, at, pitch, steps, factors, first column,
    zero point, low, high, out, at, pitch). It writes whole panels."""

    def emit(
        builder: Emit, a: Emit, a_at: Emit, a_pitch: Emit, b: Emit, b_at: Emit, b_pitch: Emit,
        steps: Emit, factors: Emit, column: Emit, zero_point: Emit, low: Emit, high: Emit,
        out: Emit, out_at: Emit, out_pitch: Emit,
    ) -> None:  # fmt: skip
        sums = _sums(builder, (a, a_at, a_pitch), (b, b_at, b_pitch), steps, panels, product)
        ends = Ends.splat(builder, (zero_point, low, high))
        by = [
            Factors.load(builder, factors, builder.add(column, number(panel * LANES)))
            for panel in range(panels)
        ]
        for row in range(ROWS):
            for panel in reversed(range(panels)):
                result = rescaled(builder, sums[row * panels + panel], by[panel], ends)
                at = builder.add(offset(builder, out_at, out_pitch, row), number(panel * LANES))
                builder.store(result, address(builder, out, at, BYTES), align=1)

    return instructions(emit)


def _sums(
    builder: Emit, left: Sequence[Emit], right: Sequence[Emit], steps: Emit, panels: int,
    product: DotProduct,
) -> list[Emit]:  # fmt: skip
    """The sums of each row with each panel: four bytes of a row, broadcast, times one vector."""
    (a, a_at, a_pitch), (b, b_at, b_pitch) = left, right
    rows = [offset(builder, a_at, a_pitch, row) for row in range(ROWS)]
    starts = [offset(builder, b_at, b_pitch, panel) for panel in range(panels)]
    with Loop(builder, steps, [number(0, SUMS)] * (ROWS * panels)) as loop:
        a_step = builder.mul(loop.index, number(DEPTH))
        b_step = builder.mul(loop.index, number(PANEL))
        weights = [loaded(builder, b, builder.add(start, b_step), SUMS) for start in starts]
        added = []
        for row, start in enumerate(rows):
            word = loaded(builder, a, builder.add(start, a_step), WORD)
            spread = splat(builder, word)
            for panel, weight in enumerate(weights):
                total = loop.values[row * panels + panel]
                added.append(product(builder, total, spread, weight))
        loop.carry(added)
    return loop.values
