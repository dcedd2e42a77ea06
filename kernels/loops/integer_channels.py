"""Windows that each channel sums by itself: four taps at a time by dot products.

Bytes of four taps are interleaved, so that each lane holds four taps of one channel. Interleaving
64 channels within quarters of the registers puts them into another order: weights and factors lie
in that order, and the results are put back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgec.kernels.jit import instructions, llvm
from edgec.kernels.loops.integer_vectors import (
    BYTE,
    DEPTH,
    LANES,
    LONG,
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
    rescaled,
)

Array = NDArray[Any]
WIDTHS = (4, 1)  # vectors of 16 channels that are summed together


def order(vectors: int) -> Array:
    """Which of 16 * vectors channels is in each lane of the vectors."""
    quarter = LANES // vectors
    places = np.arange(LANES * vectors).reshape(vectors, vectors, quarter)
    return np.ascontiguousarray(places.transpose(1, 0, 2)).reshape(-1)


def window(vectors: int, product: DotProduct = dot) -> Any:
    """One window of 16 * vectors channels: (x, at, offsets, groups of four taps, weights, at,
    factors, first column, zero point, low, high, out, at)."""
    channels = LANES * vectors
    row = llvm.VectorType(BYTE, channels)

    def emit(
        builder: Emit, x: Emit, x_at: Emit, offsets: Emit, groups: Emit, w: Emit, w_at: Emit,
        factors: Emit, column: Emit, zero_point: Emit, low: Emit, high: Emit, out: Emit,
        out_at: Emit,
    ) -> None:  # fmt: skip
        with Loop(builder, groups, [number(0, SUMS)] * vectors) as loop:
            first = builder.mul(loop.index, number(DEPTH))
            taps = []
            for tap in range(DEPTH):
                moved = loaded(builder, offsets, builder.add(first, number(tap)), LONG, align=8)
                taps.append(loaded(builder, x, builder.add(x_at, moved), row))
            start = builder.add(w_at, builder.mul(first, number(channels)))
            mixed = _interleaved(builder, taps, vectors)
            added = []
            for part, (total, four) in enumerate(zip(loop.values, mixed, strict=True)):
                place = builder.add(start, number(part * LANES * DEPTH))
                weights = loaded(builder, w, place, SUMS)
                added.append(product(builder, total, builder.bitcast(four, SUMS), weights))
            loop.carry(added)
        ends = Ends.splat(builder, (zero_point, low, high))
        results = []
        for part, total in enumerate(loop.values):
            by = Factors.load(builder, factors, builder.add(column, number(part * LANES)))
            results.append(rescaled(builder, total, by, ends))
        joined = _joined(builder, results, row)
        builder.store(joined, address(builder, out, out_at, row), align=1)

    return instructions(emit)


def _interleaved(builder: Emit, taps: Sequence[Emit], vectors: int) -> list[Emit]:
    """For each vector of channels (in ``order``) the four taps of each one after the other."""
    channels = LANES * vectors
    pairs = [
        _shuffled(builder, taps[first], taps[first + 1], _zipped(channels, vectors, half))
        for half in (0, 1)
        for first in (0, 2)
    ]
    fours = [
        _shuffled(builder, pairs[part], pairs[part + 1], _zipped_pairs(channels, vectors, half))
        for part in (0, 2)
        for half in (0, 1)
    ]
    return fours if vectors == DEPTH else [_concatenated(builder, fours)]


def _zipped(channels: int, vectors: int, half: int) -> list[int]:
    """The lower or upper half of each quarter of two registers, alternating."""
    mask = []
    for quarter in range(vectors):
        for index in range(LANES // 2):
            at = quarter * LANES + half * LANES // 2 + index
            mask += [at, channels + at]
    return mask


def _zipped_pairs(channels: int, vectors: int, half: int) -> list[int]:
    """``_zipped`` of neighbouring bytes together."""
    mask = []
    for quarter in range(vectors):
        for index in range(0, LANES // 2, 2):
            at = quarter * LANES + half * LANES // 2 + index
            mask += [at, at + 1, channels + at, channels + at + 1]
    return mask


def _joined(builder: Emit, parts: Sequence[Emit], row: Any) -> Emit:
    """Results of all vectors in the order of the channels."""
    if len(parts) == 1:
        return parts[0]
    back = np.argsort(order(len(parts)))
    whole = _concatenated(builder, parts)
    return _shuffled(builder, whole, whole, back.tolist())


def _concatenated(builder: Emit, parts: Sequence[Emit]) -> Emit:
    """Four vectors as one."""
    lanes = parts[0].type.count
    both = list(range(2 * lanes))
    halves = [_shuffled(builder, parts[i], parts[i + 1], both) for i in (0, 2)]
    return _shuffled(builder, halves[0], halves[1], list(range(4 * lanes)))


def _shuffled(builder: Emit, a: Emit, b: Emit, mask: Sequence[int]) -> Emit:
    lanes = llvm.Constant(llvm.VectorType(WORD, len(mask)), list(mask))
    return builder.shuffle_vector(a, b, lanes)
