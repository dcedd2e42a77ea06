"""Reshaping, transposing, padding and cutting tensors: what many decompositions are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgec.ir import Array, Dim, Ints, dtypes
from edgec.lowering.tflite.dims import vector
from edgec.lowering.tflite.table import Unwritable
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer


def reshaped(x: Tensor, dims: Sequence[Dim], w: Writer) -> Tensor:
    """x under other dims; a constant at once, x itself when it has them."""
    dims = tuple(dims)
    if x.dims == dims:
        return x
    if x.array is not None:
        return w.const(x.array.reshape([dim for dim in dims if isinstance(dim, int)]))
    stored = stored_constant(x)
    if stored is not None and stored.array is not None:
        perm = axes_kept(x.dims, dims)
        if perm is not None:
            known = [dim for dim in dims if isinstance(dim, int)]
            return _widened(stored, stored.array.reshape(known), perm, w)
    before = _operand_of(x, "RESHAPE")
    if before is not None and before.dims == dims:
        return before
    open_dims = [dim for dim in dims if not isinstance(dim, int)]
    if len(open_dims) > 1 or (open_dims and 0 in dims):
        return w.op("RESHAPE", x, vector(dims, [x], w), dims=dims)
    shape = tuple(dim if isinstance(dim, int) else -1 for dim in dims)
    return w.op("RESHAPE", x, w.ints(shape), dims=dims, new_shape=shape)


def joined(parts: Sequence[Tensor], axis: int, w: Writer) -> Tensor:
    """The parts one after the other along an axis."""
    if len(parts) == 1:
        return parts[0]
    if all(part.array is not None for part in parts):
        return w.const(np.concatenate([part.array for part in parts if part.array is not None]))
    total: Dim = 0
    for part in parts:
        total = total + part.dims[axis]
    dims = (*parts[0].dims[:axis], total, *parts[0].dims[axis + 1 :])
    return w.op("CONCATENATION", *parts, dims=dims, axis=axis)


def transposed(x: Tensor, perm: Sequence[int], w: Writer) -> Tensor:
    """Dim k of the result is dim perm[k] of x; a reshape where only dims of 1 move."""
    perm = tuple(perm)
    if perm == tuple(range(x.rank)):
        return x
    if x.array is not None:
        return w.const(x.array.transpose(perm))
    stored = stored_constant(x)
    if stored is not None and stored.array is not None:
        return _widened(stored, stored.array.transpose(perm), perm, w)
    before = _operand_of(x, "TRANSPOSE")
    if before is not None and [_perm_of(x)[axis] for axis in perm] == list(range(x.rank)):
        return before
    dims = tuple(x.dims[axis] for axis in perm)
    moved = [axis for axis in perm if x.dims[axis] != 1]
    if moved == sorted(moved) and sum(not isinstance(dim, int) for dim in dims) <= 1:
        return reshaped(x, dims, w)
    merged = _merged(x.dims, perm)
    if merged is not None and x.rank > MAX_TRANSPOSED:
        inner, order = merged
        y = transposed(reshaped(x, inner, w), order, w)
        return reshaped(y, dims, w)
    return w.op("TRANSPOSE", x, w.ints(perm), dims=dims)


MOVES = ("RESHAPE", "SLICE", "TRANSPOSE")


def is_constant(x: Tensor) -> bool:
    """True for a constant, also one that is stored in small integers, and moved."""
    if x.array is not None or stored_constant(x) is not None:
        return True
    before = x.producer if x.producer and x.producer.builtin in MOVES else None
    return before is not None and before.operands[0] is not None and is_constant(before.operands[0])


def stored_constant(x: Tensor) -> Tensor | None:
    """The small integers that DEQUANTIZE makes a constant x from."""
    found = _operand_of(x, "DEQUANTIZE")
    return found if found is not None and found.array is not None else None


def axes_kept(before: Sequence[Dim], after: Sequence[Dim]) -> list[int] | None:
    """For each axis of a reshape that adds or drops dims of 1 the axis that it was, else -1; None
    for another reshape."""
    if [dim for dim in before if dim != 1] != [dim for dim in after if dim != 1]:
        return None
    rest = iter([axis for axis, dim in enumerate(before) if dim != 1])
    return [-1 if dim == 1 else next(rest) for dim in after]


def _cut(stored: Tensor, parts: Sequence[slice]) -> Tensor:
    """Integers with the scales of the part that is cut from them."""
    quant = stored.quant
    if quant is None or quant.axis is None:
        return stored
    part = parts[quant.axis]
    fewer = replace(quant, scale=quant.scale[part], zero_point=quant.zero_point[part])
    return Tensor(stored.dtype, stored.dims, stored.array, stored.name, quant=fewer)


def _widened(stored: Tensor, array: Array, perm: Sequence[int], w: Writer) -> Tensor:
    """DEQUANTIZE of constant integers under other axes; dim k was dim perm[k]."""
    quant = stored.quant
    if quant is not None and quant.axis is not None:
        if quant.axis in perm:
            quant = replace(quant, axis=list(perm).index(quant.axis))
        else:  # the only slice: its dim of 1 may be gone
            quant = replace(quant, axis=None)
    moved = Tensor(stored.dtype, array.shape, array, stored.name, quant=quant)
    return w.op("DEQUANTIZE", moved, dtype=dtypes.f32)


def _operand_of(x: Tensor, builtin: str) -> Tensor | None:
    """What an operator of that kind makes x from."""
    operator = x.producer
    return operator.operands[0] if operator and operator.builtin == builtin else None


def _perm_of(x: Tensor) -> list[int]:
    assert x.producer is not None
    perm = x.producer.operands[1]
    assert perm is not None
    assert perm.array is not None
    found: list[int] = perm.array.tolist()
    return found


MAX_TRANSPOSED = 5  # beyond, only newer runtimes do it


def _merged(dims: Sequence[Dim], perm: Sequence[int]) -> tuple[list[Dim], list[int]] | None:
    """The transpose of fewer dims that is left when axes that stay together become one."""
    runs: list[list[int]] = []
    for axis in perm:
        if runs and runs[-1][-1] + 1 == axis:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    if len(runs) == len(perm):
        return None
    ordered = sorted(runs)
    sizes: list[Dim] = []
    for run in ordered:
        size: Dim = 1
        for axis in run:
            size = size * dims[axis]
        sizes.append(size)
    return sizes, [ordered.index(run) for run in runs]


def padded(
    x: Tensor, begins: Sequence[int], ends: Sequence[int], w: Writer, value: float | int = 0
) -> Tensor:
    """x with ``value`` around it; x itself where nothing is added."""
    if not any((*begins, *ends)):
        return x
    dims = tuple(b + dim + e for b, dim, e in zip(begins, x.dims, ends, strict=True))
    paddings = w.const(np.stack([begins, ends], axis=1), dtypes.i32)
    if value == 0:
        return w.op("PAD", x, paddings, dims=dims)
    number = w.like(value, x)
    number.quant = x.quant
    return w.op("PADV2", x, paddings, number, dims=dims)


def cropped(x: Tensor, begins: Sequence[int], dims: Sequence[Dim], w: Writer) -> Tensor:
    """The part of x that begins there and has these dims."""
    if not any(begins) and tuple(dims) == x.dims:
        return x
    sizes = [dim if isinstance(dim, int) else -1 for dim in dims]
    if x.array is not None:
        known = zip(begins, x.array.shape if -1 in sizes else sizes, strict=True)
        return w.const(x.array[tuple(slice(begin, begin + size) for begin, size in known)])
    stored = stored_constant(x)
    if stored is not None and stored.array is not None and -1 not in sizes:
        parts = tuple(slice(b, b + size) for b, size in zip(begins, sizes, strict=True))
        return _widened(_cut(stored, parts), stored.array[parts], range(x.rank), w)
    if any(size < 0 and begin for size, begin in zip(sizes, begins, strict=True)):
        raise Unwritable("a dim that is not known is cut")
    return w.op("SLICE", x, w.ints(begins), w.ints(sizes), dims=dims)


def strided(
    x: Tensor, starts: Ints, ends: Ints, steps: Ints, w: Writer, *, dims: Sequence[Dim],
    **masks: Any,
) -> Tensor:  # fmt: skip
    """x[start : end : step] along every axis; masks as in StridedSliceOptions."""
    begin, end, step = (w.ints(each) for each in (starts, ends, steps))
    return w.op("STRIDED_SLICE", x, begin, end, step, dims=dims, **masks)
