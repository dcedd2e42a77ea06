"""Ops that cut tensors into parts, and pad them."""

from __future__ import annotations

import numpy as np

from edgec.ir import Constant, Ints, dtypes, known_ints
from edgec.ir.ops import Pad, Slice, Split
from edgec.ir.ops.movement_parts import slices
from edgec.lowering.tflite.legalize import selected
from edgec.lowering.tflite.shapes import cropped, joined, padded, strided
from edgec.lowering.tflite.table import PIN, TFLITE, Unwritable
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer

_FAR = 2**31 - 1


@TFLITE.rule(Slice)
def slice_(op: Slice, w: Writer) -> Tensor:
    x = w[op.x]
    starts, ends = known_ints(op.starts), known_ints(op.ends)
    steps = (1,) * len(op.axes) if op.steps is None else known_ints(op.steps)
    if starts is None or ends is None or steps is None:
        return _at_run_time(op, x, steps, w)
    if x.static_dims is not None:
        return _of_known(op, x, x.static_dims, (starts, ends, steps), w)
    return _of_open(op, x, (starts, ends, steps), w)


def _of_known(
    op: Slice, x: Tensor, shape: Ints, bounds: tuple[Ints, Ints, Ints], w: Writer
) -> Tensor:
    found = slices(shape, tuple(axis % x.rank for axis in op.axes), *bounds)
    dims = op.result.type.dims
    steps = tuple(1 if each.step is None else each.step for each in found)
    begins = tuple(each.start or 0 for each in found)
    if all(step == 1 for step in steps):
        y = cropped(x, begins, dims, w)
        return w.copy(y) if y is x else y
    ends, mask = [], 0
    for axis, each in enumerate(found):
        if each.stop is None:
            mask |= 1 << axis
        ends.append(shape[axis] if each.stop is None else each.stop)
    return strided(x, begins, tuple(ends), steps, w, dims=dims, end_mask=mask)


def _of_open(op: Slice, x: Tensor, bounds: tuple[Ints, Ints, Ints], w: Writer) -> Tensor:
    """Some dims are not known: bounds from the end are STRIDED_SLICE's own, too."""
    begins, ends, steps = [0] * x.rank, [0] * x.rank, [1] * x.rank
    whole = set(range(x.rank))
    begin_mask = end_mask = 0
    for axis, start, end, step in zip(op.axes, *bounds, strict=True):
        axis %= x.rank
        whole.discard(axis)
        begins[axis], steps[axis] = max(min(start, _FAR), -_FAR), step
        ends[axis] = max(min(end, _FAR), -_FAR)
        if (end >= _FAR and step > 0) or (end <= -_FAR and step < 0):
            end_mask |= 1 << axis
        if start >= _FAR or start <= -_FAR:
            begin_mask |= 1 << axis
    for axis in whole:
        begin_mask |= 1 << axis
        end_mask |= 1 << axis
    return strided(x, tuple(begins), tuple(ends), tuple(steps), w, dims=op.result.type.dims,
                   begin_mask=begin_mask, end_mask=end_mask)  # fmt: skip


def _at_run_time(op: Slice, x: Tensor, steps: Ints | None, w: Writer) -> Tensor:
    if steps is None or any(step < 1 for step in steps):
        raise Unwritable("steps are computed at run time, or backwards from a computed place")
    axes = [axis % x.rank for axis in op.axes]
    begin, end = (w.cast(_bounded(value, w), dtypes.i32) for value in (op.starts, op.ends))
    masks = sum(1 << axis for axis in range(x.rank) if axis not in axes)
    rows = [_placed(each, axes, x.rank, w) for each in (begin, end)]
    step = [1] * x.rank
    for axis, each in zip(axes, steps, strict=True):
        step[axis] = each
    return w.op("STRIDED_SLICE", x, *rows, w.ints(step), dims=op.result.type.dims,
                begin_mask=masks, end_mask=masks)  # fmt: skip


def _bounded(value: object, w: Writer) -> Tensor:
    """What stands for the end of any dim fits i32."""
    if isinstance(value, Constant):
        return w.const(np.clip(value.array, -_FAR, _FAR), dtypes.i32)
    return w[value]  # type: ignore[index]  # an operand


def _placed(bounds: Tensor, axes: list[int], rank: int, w: Writer) -> Tensor:
    """One bound per axis of x, 0 where there is none."""
    parts = []
    for axis in range(rank):
        if axis in axes:
            parts.append(
                cropped(bounds, (axes.index(axis),), (1,), w)
                if bounds.array is None
                else w.ints([int(bounds.array[axes.index(axis)])])
            )
        else:
            parts.append(w.ints([0]))
    return joined(parts, 0, w)


@TFLITE.rule(Split)
def split(op: Split, w: Writer) -> list[Tensor]:
    x, dims = w[op.x], [result.type.dims for result in op.results]
    sizes = [each[op.axis] for each in dims]
    if len(dims) == 1:
        return [w.copy(x)]
    if all(size == sizes[0] for size in sizes) and 0 not in sizes:
        types = [(each, x.dtype) for each in dims]
        if x.dtype not in (dtypes.i64, dtypes.boolean):
            return w.ops("SPLIT", [w.const(op.axis, dtypes.i32), x], types, num_splits=len(dims))
    known = [size for size in sizes if isinstance(size, int)]
    if len(known) != len(sizes):
        raise Unwritable(f"the parts of {x.dims[op.axis]} elements are not known", PIN)
    found, begin = [], [0] * x.rank
    for result, size in zip(op.results, known, strict=True):
        if size:
            found.append(cropped(x, begin, result.type.dims, w))
        else:
            found.append(w.const(np.zeros(_static(result.type.static_dims), x.dtype.numpy)))
        begin[op.axis] += size
    return found


def _static(dims: Ints | None) -> Ints:
    if dims is None:
        raise Unwritable("an empty part of dims that are not known")
    return dims


@TFLITE.rule(Pad)
def pad(op: Pad, w: Writer) -> Tensor:
    pads = known_ints(op.pads)
    x = w[op.x]
    if pads is None:
        return _padded_at_run_time(op, x, w)
    begins, ends = [0] * x.rank, [0] * x.rank
    count = len(op.padded_axes)
    for i, axis in enumerate(op.padded_axes):
        begins[axis % x.rank], ends[axis % x.rank] = pads[i], pads[i + count]
    if op.mode == "reflect" and min(pads, default=0) < 0:
        raise Unwritable("mirroring what is cut off")
    if op.mode == "constant":
        y = _constant(op, _cut(x, begins, ends, w), _positive(begins), _positive(ends), w)
    elif op.mode == "reflect":
        y = _mirrored(x, begins, ends, w)
    else:
        y = _joined_ends(op.mode, _cut(x, begins, ends, w), _positive(begins), _positive(ends), w)
    return w.copy(y) if y is x else y


def _positive(pads: list[int]) -> list[int]:
    return [max(each, 0) for each in pads]


def _cut(x: Tensor, begins: list[int], ends: list[int], w: Writer) -> Tensor:
    """Negative pads take elements away."""
    if min((*begins, *ends), default=0) >= 0:
        return x
    first = [max(-each, 0) for each in begins]
    dims = tuple(
        dim - start + min(end, 0) for dim, start, end in zip(x.dims, first, ends, strict=True)
    )
    if any(isinstance(dim, int) and dim < 0 for dim in dims):
        raise Unwritable("more is taken away than there is")
    return cropped(x, first, dims, w)


def _constant(op: Pad, x: Tensor, begins: list[int], ends: list[int], w: Writer) -> Tensor:
    if not any((*begins, *ends)):
        return x
    if op.value is None or isinstance(op.value, Constant):
        value = 0 if op.value is None else op.value.array.reshape(-1)[0]
        if x.quant is not None:
            return _around(x, begins, ends, int(value), w)
        if x.dtype is dtypes.boolean or x.dtype in (dtypes.i8, dtypes.i16):
            wide = dtypes.i32
            return w.cast(padded(w.cast(x, wide), begins, ends, w, int(value)), x.dtype)
        return padded(x, begins, ends, w, value)
    ones = w.const(np.ones([_known(dim) for dim in x.dims], np.float32))
    is_old = w.cast(padded(ones, begins, ends, w), dtypes.boolean)
    y = padded(x, begins, ends, w)
    if x.dtype in (dtypes.i8, dtypes.i16):
        raise Unwritable(f"padding {x.dtype.name} with a computed number")
    return selected(is_old, y, w[op.value], w)


def _around(x: Tensor, begins: list[int], ends: list[int], value: int, w: Writer) -> Tensor:
    """Quantized integers: PAD adds zero points."""
    assert x.quant is not None
    if x.quant.zero_point != (value,):
        raise Unwritable(f"quantized values are padded with {value}, which is not their 0")
    return padded(x, begins, ends, w)


def _known(dim: object) -> int:
    if not isinstance(dim, int):
        raise Unwritable("padding of dims that are not known with a computed number")
    return dim


def _mirrored(x: Tensor, begins: list[int], ends: list[int], w: Writer) -> Tensor:
    if not any((*begins, *ends)):
        return x
    for dim, begin, end in zip(x.dims, begins, ends, strict=True):
        if isinstance(dim, int) and max(begin, end) >= dim:
            raise Unwritable("MIRROR_PAD mirrors each element once at most")
    dims = tuple(b + dim + e for b, dim, e in zip(begins, x.dims, ends, strict=True))
    paddings = w.const(np.stack([begins, ends], axis=1), dtypes.i32)
    return w.op("MIRROR_PAD", x, paddings, dims=dims, mode=0)


def _joined_ends(mode: str, x: Tensor, begins: list[int], ends: list[int], w: Writer) -> Tensor:
    """Edge or wrap: what is added is cut from x, axis by axis."""
    for axis in range(x.rank):
        begin, end, size = begins[axis], ends[axis], x.dims[axis]
        if begin == end == 0:
            continue
        if not isinstance(size, int):
            raise Unwritable(f"{mode} padding wants known dims", PIN)
        if not size:
            raise Unwritable(f"{mode} padding of nothing")
        wide = np.arange(-begin, size + end)
        places = wide % size if mode == "wrap" else np.clip(wide, 0, size - 1)
        dims = (*x.dims[:axis], len(places), *x.dims[axis + 1 :])
        x = w.op("GATHER", x, w.ints(places.tolist()), dims=dims, axis=axis)
    return x


def _padded_at_run_time(op: Pad, x: Tensor, w: Writer) -> Tensor:
    if op.axes is not None or op.mode not in ("constant", "reflect"):
        raise Unwritable("pads are computed at run time")
    pairs = w.op("RESHAPE", w.cast(w[op.pads], dtypes.i32), w.ints((2, x.rank)),
                 dims=(2, x.rank), new_shape=(2, x.rank))  # fmt: skip
    paddings = w.op("TRANSPOSE", pairs, w.ints((1, 0)), dims=(x.rank, 2))
    dims = op.result.type.dims
    if op.mode == "reflect":
        return w.op("MIRROR_PAD", x, paddings, dims=dims, mode=0)
    if op.value is None:
        return w.op("PAD", x, paddings, dims=dims)
    return w.op("PADV2", x, paddings, w[op.value], dims=dims)
