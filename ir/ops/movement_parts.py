"""Ops that cut tensors into parts, and pad them."""

from __future__ import annotations

import numpy as np

from edgec.ir.contents import Contents, contents, known_ints
from edgec.ir.dim_algebra import is_natural
from edgec.ir.dims import ANY, Dim, dim_max, dim_min
from edgec.ir.op import Ints, Op, OpError, Types, attr, operand
from edgec.ir.ops.common import normalized_axes, normalized_axis, require_dim, same_dtype
from edgec.ir.sampling import NUMERIC, Sampler
from edgec.ir.traits import Movement
from edgec.ir.value import Value

PAD_MODES = ("constant", "reflect", "edge", "wrap")
_FAR = 2**31 - 1  # what exporters write for "to the end"


class Slice(Op, name="move.slice", traits=(Movement,)):
    """y = x[start : end : step] along each of ``axes``

    ``starts``, ``ends`` and ``steps`` (i64[len(axes)], steps 1 when absent) count from the end
    where negative, and are then clamped to the dim (ONNX Slice-13).
    """

    x: Value = operand()
    starts: Value = operand()
    ends: Value = operand()
    steps: Value | None = operand(default=None)
    axes: Ints = attr(kw_only=True)

    def infer(self) -> Types:
        axes = normalized_axes(self.axes, self.x.type.rank)
        count = len(axes)
        starts, ends = (self._listed(v, count) for v in (self.starts, self.ends))
        steps: list[Dim] = [1] * count if self.steps is None else self._listed(self.steps, count)
        if 0 in steps:
            raise OpError("a step is 0")
        dims = list(self.x.type.dims)
        for i, axis in enumerate(axes):
            dims[axis] = sliced_dim(dims[axis], starts[i], ends[i], steps[i])
        return (self.x.type.with_dims(tuple(dims)),)

    def _listed(self, value: Value, count: int) -> list[Dim]:
        if value.type.rank != 1:
            raise OpError(f"starts, ends and steps want one dimension, found {value.type}")
        require_dim(value.type.dims[0], count, "the length of starts, ends and steps")
        found = contents(value)
        return [ANY] * count if found is None else list(found)

    def contents(self, index: int) -> Contents | None:
        found = contents(self.x)
        starts, ends = known_ints(self.starts), known_ints(self.ends)
        steps = (1,) * len(self.axes) if self.steps is None else known_ints(self.steps)
        if found is None or starts is None or ends is None or steps is None:
            return None
        return found[slices(found.shape, self.axes, starts, ends, steps)]

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        rank = draw.integer(1, 4)
        dims = draw.shape(rank, 1, 6)
        axes = draw.rng.permutation(rank)[: draw.integer(1, rank)].tolist()
        count = len(axes)
        steps = None if draw.chance() else draw.const([draw.choice((-2, -1, 1, 2)) for _ in axes])
        starts = [draw.choice((0, 1, -1, -9, 9, draw.integer(-7, 7))) for _ in range(count)]
        ends = [draw.choice((9, -9, -1, 2**63 - 1, draw.integer(-7, 7))) for _ in range(count)]
        x = draw.value(draw.choice(NUMERIC), dims)
        given = draw.const(starts) if draw.chance(0.7) else draw.given(np.asarray(starts))
        return cls(x, given, draw.const(ends), steps, axes=axes)


def slices(
    shape: tuple[int, ...], axes: Ints, starts: Ints, ends: Ints, steps: Ints
) -> tuple[slice, ...]:
    """numpy's slice of each axis; ONNX's clamping differs from Python's for negative steps."""
    found = [slice(None)] * len(shape)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        size = shape[axis]
        first = _clamp(start + size if start < 0 else start, 0, size if step > 0 else size - 1)
        low, high = (0, size) if step > 0 else (-1, size - 1)
        last = _clamp(end + size if end < 0 else end, low, high)
        empty = last <= first if step > 0 else last >= first
        found[axis] = slice(0, 0) if empty else slice(first, None if last < 0 else last, step)
    return tuple(found)


def _clamp(index: int, low: int, high: int) -> int:
    return max(min(index, high), low)


def sliced_dim(size: Dim, start: Dim, end: Dim, step: Dim) -> Dim:
    """The length of a slice, ANY where it cannot be told."""
    if not isinstance(step, int) or ANY in (size, start, end):
        return ANY
    if isinstance(size, int) and isinstance(start, int) and isinstance(end, int):
        (found,) = slices((size,), (0,), (start,), (end,), (step,))
        return len(range(*found.indices(size)))
    if step > 0:
        if isinstance(start, int) and 0 <= start < step and _is_far(end):
            return -((start - size) // step)  # at least 0, as size is
        return -((-_between(size, start, end)) // step)
    from_last = start == -1 or _is_far(start)
    to_first = isinstance(end, int) and end < -_FAR
    return -((-size) // -step) if from_last and to_first else ANY


def _between(size: Dim, start: Dim, end: Dim) -> Dim:
    """Elements from start up to end of a dim that is not known; both are clamped to 0…size."""
    start_at_end, end_at_end = _from_end(start), _from_end(end)
    if start_at_end is None or end_at_end is None:
        return ANY
    if not start_at_end:
        if _is_far(end):
            return dim_max(size - start, 0)
        last = size + end if end_at_end else dim_min(end, size)
        return dim_max(last - start, 0)
    if _is_far(end):
        return dim_min(size, -start)
    if end_at_end:
        return dim_max(dim_min(size + end, end - start), 0)
    return dim_max(dim_min(end, size) - dim_max(size + start, 0), 0)


def _is_far(index: Dim) -> bool:
    return isinstance(index, int) and index >= _FAR


def _from_end(index: Dim) -> bool | None:
    """Whether a slice bound counts from the end; None when its sign is not known."""
    if is_natural(index):
        return False
    return True if is_natural(-index - 1) else None


class Pad(Op, name="move.pad"):
    """y = x with ``pads`` (i64[2 * n], all begins, then all ends) elements put around the axes
    ``axes`` (all of them when absent); a negative number takes elements away

    The new elements are ``value`` (0 when absent), or follow from x: reflect (mirrored without the
    border), edge (the border), wrap (from the other end).
    """

    x: Value = operand()
    pads: Value = operand()
    value: Value | None = operand(default=None)
    mode: str = attr(default="constant")
    axes: Ints | None = attr(default=None)

    @property
    def padded_axes(self) -> Ints:
        return tuple(range(self.x.type.rank)) if self.axes is None else self.axes

    def infer(self) -> Types:
        same_dtype(self.x, self.value)
        axes = normalized_axes(self.padded_axes, self.x.type.rank)
        if self.pads.type.rank != 1:
            raise OpError(f"pads wants one dimension, found {self.pads.type}")
        require_dim(self.pads.type.dims[0], 2 * len(axes), "the length of pads")
        found = contents(self.pads)
        dims = list(self.x.type.dims)
        for i, axis in enumerate(axes):
            added = ANY if found is None else found[i] + found[i + len(axes)]
            dims[axis] = added + dims[axis]
        return (self.x.type.with_dims(tuple(dims)),)

    def check(self) -> None:
        if self.mode not in PAD_MODES:
            raise OpError(f"mode is one of {PAD_MODES}, found {self.mode!r}")
        if self.mode != "constant" and self.value is not None:
            raise OpError(f"mode {self.mode!r} takes no value")

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        rank = draw.integer(1, 4)
        x = draw.value(draw.choice(NUMERIC), draw.shape(rank, 3, 5))
        axes = None if draw.chance() else draw.rng.permutation(rank)[:2].tolist()
        pads = [draw.integer(-1, 2) for _ in range(2 * (rank if axes is None else len(axes)))]
        mode = draw.choice(PAD_MODES)
        given = mode == "constant" and draw.chance()
        value = draw.value(x.type.dtype, ()) if given else None
        return cls(x, draw.const(pads), value, mode=mode, axes=axes)


MAX_PARTS = 1 << 16  # each is a value of its own


class Split(Op, name="move.split", traits=(Movement,)):
    """y0, y1, … = consecutive parts of x along ``axis``: of ``sizes``, or ``parts`` parts of
    ceil(dim / parts), the last one smaller"""

    x: Value = operand()
    axis: int = attr()
    sizes: Ints | None = attr(default=None)
    parts: int = attr(default=0)

    @property
    def part_dims(self) -> list[Dim]:
        """The length of each result along the axis."""
        if self.sizes is not None:
            return list(self.sizes)
        size = self.x.type.dims[self.axis]
        each = -((-size) // self.parts)
        last = size - each * (self.parts - 1)
        return [each] * (self.parts - 1) + [last]

    def infer(self) -> Types:
        axis = normalized_axis(self.axis, self.x.type.rank)
        if (self.sizes is None) == (self.parts < 1):
            raise OpError("split wants either sizes or a number of parts")
        if self.parts > MAX_PARTS:
            raise OpError(f"split into {self.parts} parts, {MAX_PARTS} at most")
        if self.sizes is not None:
            require_dim(self.x.type.dims[axis], sum(self.sizes), f"dim {axis} of x")
        parts = self.part_dims
        if any(isinstance(dim, int) and dim < 0 for dim in parts):
            raise OpError(f"{self.x.type} does not split into {self.parts} parts")
        before, after = self.x.type.dims[:axis], self.x.type.dims[axis + 1 :]
        return [self.x.type.with_dims((*before, dim, *after)) for dim in parts]

    def contents(self, index: int) -> Contents | None:
        found = contents(self.x)
        parts = self.part_dims
        sizes = [dim for dim in parts if isinstance(dim, int)]
        if found is None or len(sizes) != len(parts):
            return None
        return np.split(found, np.cumsum(sizes[:-1]), axis=self.axis)[index]

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        rank = draw.integer(1, 4)
        axis = draw.integer(0, rank - 1)
        dims = list(draw.shape(rank))
        if draw.chance():
            sizes = draw.shape(draw.integer(1, 3), 0, 3)
            dims[axis] = sum(sizes)
            return cls(draw.value(draw.choice(NUMERIC), dims), axis=axis, sizes=sizes)
        dims[axis] = draw.integer(7, 9)
        parts = draw.choice((1, 2, 3, 4))
        return cls(draw.value(draw.choice(NUMERIC), dims), axis=axis, parts=parts)
