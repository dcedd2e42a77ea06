"""Where the parts that an op cuts or joins lie in the whole, when they are contiguous there."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from edgec.ir import Op, Value, known_ints
from edgec.ir.ops import Concat, Slice, Split
from edgec.ir.ops.movement_parts import slices

Shape = tuple[int, ...]


def whole_and_parts(op: Op) -> tuple[Value, Sequence[Value]] | None:
    """The tensor that is cut or put together, and its parts; None for any other op."""
    if isinstance(op, Concat):
        return op.result, op.xs
    if isinstance(op, Split | Slice):
        return op.x, op.results
    return None


def contiguous_parts(
    op: Op, shape_of: Callable[[Value], Shape | None]
) -> list[tuple[Value, int]] | None:
    """Each part with the number of elements before it in the whole.

    None where the parts are not contiguous: there is more than one slice of the axes before the
    one that is cut (row-major order), or a slice has steps.
    """
    found = whole_and_parts(op)
    if found is None:
        return None
    whole, parts = found
    shape = shape_of(whole)
    if shape is None:
        return None
    if isinstance(op, Slice):
        offset = _slice_offset(op, shape)
        return None if offset is None else [(parts[0], offset)]
    assert isinstance(op, Concat | Split)
    return _along(op.axis % len(shape), shape, parts, shape_of)


def _along(
    axis: int, shape: Shape, parts: Sequence[Value], shape_of: Callable[[Value], Shape | None]
) -> list[tuple[Value, int]] | None:
    if math.prod(shape[:axis]) != 1:
        return None
    each = math.prod(shape[axis + 1 :])
    found: list[tuple[Value, int]] = []
    before = 0
    for part in parts:
        own = shape_of(part)
        if own is None:
            return None
        found.append((part, before * each))
        before += own[axis]
    return found


def _slice_offset(op: Slice, shape: Shape) -> int | None:
    """The first element of a slice that cuts one axis only, all axes before it being of size 1."""
    starts, ends = known_ints(op.starts), known_ints(op.ends)
    steps = (1,) * len(op.axes) if op.steps is None else known_ints(op.steps)
    if starts is None or ends is None or steps is None:
        return None
    cuts = slices(shape, tuple(axis % len(shape) for axis in op.axes), starts, ends, steps)
    ranges = [range(*cut.indices(size)) for cut, size in zip(cuts, shape, strict=True)]
    cut_axes = [axis for axis, one in enumerate(ranges) if len(one) != shape[axis]]
    if any(one.step != 1 for one in ranges) or len(cut_axes) > 1:
        return None
    if not cut_axes:
        return 0
    [axis] = cut_axes
    if math.prod(shape[:axis]) != 1:
        return None
    return ranges[axis].start * math.prod(shape[axis + 1 :])
