"""The meaning of the layers that move elements (see ``readback_layers.py``)."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array, ops
from edgec.lowering.tensorrt.readback_layers import Layer, computed, enum_name, layer


@layer("SHAPE")
def shape(own: Layer, x: Array) -> Array:
    return np.asarray(x.shape, np.int64)


@layer("CONCATENATION")
def concatenation(own: Layer, *xs: Array) -> Array:
    return np.concatenate(xs, axis=own.own.axis)


@layer("SHUFFLE")
def shuffle(own: Layer, x: Array, dims: Array | None = None) -> Array:
    """A transpose, a reshape, a transpose."""
    it = own.own
    y = np.transpose(x, [*it.first_transpose][: x.ndim])
    if dims is not None or it.reshape_dims is not None:
        target = [int(dim) for dim in (it.reshape_dims if dims is None else dims)]
        if it.zero_is_placeholder:
            target = [y.shape[i] if dim == 0 else dim for i, dim in enumerate(target)]
        y = y.reshape(target)
    return np.transpose(y, [*it.second_transpose][: y.ndim])


@layer("UNSQUEEZE")
def unsqueeze(own: Layer, x: Array, axes: Array) -> Array:
    return np.expand_dims(x, tuple(map(int, axes.reshape(-1))))


@layer("SQUEEZE")
def squeeze(own: Layer, x: Array, axes: Array) -> Array:
    return np.squeeze(x, tuple(map(int, axes.reshape(-1))))


@layer("SLICE")
def slice_(
    own: Layer,
    x: Array,
    start: Array | None = None,
    size: Array | None = None,
    step: Array | None = None,
    fill: Array | None = None,
    axes: Array | None = None,
) -> Array:
    """Positions start + i * step on each axis; those outside as the mode says."""
    it, mode = own.own, enum_name(own.own.mode)
    held = zip((start, size, step), (it.start, it.shape, it.stride), strict=True)
    bounds = [[int(n) for n in (own if given is None else given)] for given, own in held]
    named = it.axes if axes is None else axes
    chosen = range(x.ndim) if named is None else [int(axis) % x.ndim for axis in named]
    outside = np.zeros((), bool)
    y = x
    for axis, first, count, stride in zip(chosen, *bounds, strict=True):
        places = first + stride * np.arange(count)
        strange = (places < 0) | (places >= x.shape[axis])
        if mode == "STRICT_BOUNDS":
            assert not strange.any(), f"axis {axis} of {x.shape}: {bounds}"
        y = np.take(y, _inside(places, x.shape[axis], mode), axis=axis)
        outside = outside | strange.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    if mode != "FILL":
        return y
    return np.where(outside, np.zeros((), x.dtype) if fill is None else fill, y).astype(x.dtype)


def _inside(places: Array, length: int, mode: str) -> Array:
    if mode == "WRAP":
        return places % length
    if mode == "REFLECT" and length > 1:
        period = 2 * (length - 1)
        folded = places % period
        return np.where(folded >= length, period - folded, folded)
    return np.clip(places, 0, max(length - 1, 0))


@layer("GATHER")
def gather(own: Layer, x: Array, indices: Array) -> Array:
    it, mode = own.own, enum_name(own.own.mode)
    assert not indices.size or indices.min() >= 0, "indices count from the front"
    if mode == "DEFAULT":
        return computed(ops.Gather, x, indices, axis=it.axis)
    if mode == "ELEMENT":
        return computed(ops.GatherElements, x, indices, axis=it.axis)
    return computed(ops.GatherNd, x, indices, batch_dims=it.num_elementwise_dims)


@layer("SCATTER")
def scatter(own: Layer, x: Array, indices: Array, updates: Array) -> Array:
    assert not indices.size or indices.min() >= 0, "indices count from the front"
    if enum_name(own.own.mode) == "ND":
        return computed(ops.ScatterNd, x, indices, updates)
    return computed(ops.ScatterElements, x, indices, updates, axis=own.own.axis)


@layer("FILL")
def fill(own: Layer, size: Array, start: Array, step: Array) -> Array:
    """LINSPACE over one axis."""
    [count] = size
    found: Array = (start + step[0] * np.arange(int(count))).astype(own.dtype().numpy)
    return found


@layer("NON_ZERO")
def non_zero(own: Layer, x: Array) -> Array:
    return computed(ops.NonZero, x).astype(own.dtype().numpy)


@layer("REVERSE_SEQUENCE")
def reverse_sequence(own: Layer, x: Array, lens: Array) -> Array:
    it = own.own
    axes = {"time_axis": it.sequence_axis, "batch_axis": it.batch_axis}
    return computed(ops.ReverseSequence, x, lens.astype(np.int64), **axes)
