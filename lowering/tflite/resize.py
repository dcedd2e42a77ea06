"""Resizing.

What an axis becomes is asked of the reference kernel: which sample each result copies (nearest), or
the matrix of weights (linear, cubic). Where one of the operator's own coordinate systems gives the
same it is used; else nearest is a GATHER, and the others a matrix product, axis by axis.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from edgec.ir import Array, Builder, Constant, dtypes, known_ints
from edgec.ir.ops import GridSample, Resize
from edgec.ir.ops.resize import bounded_sizes
from edgec.kernels import run
from edgec.lowering.tflite.dims import vector
from edgec.lowering.tflite.linear import fully_connected
from edgec.lowering.tflite.shapes import reshaped, transposed
from edgec.lowering.tflite.table import PIN, TFLITE, Unwritable, static_dim
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer

BUILTIN = {"nearest": "RESIZE_NEAREST_NEIGHBOR", "linear": "RESIZE_BILINEAR"}
# half_pixel_centers and align_corners
SYSTEMS = ((True, False), (False, True), (False, False))
System = tuple[bool, bool]


@TFLITE.rule(Resize)
def resize(op: Resize, w: Writer) -> Tensor:
    x = w[op.x]
    axes = _resized(op)
    if not axes:
        return w.copy(x)
    sizes = [op.x.type.dims[axis] for axis in axes] + [op.result.type.dims[axis] for axis in axes]
    if not all(isinstance(size, int) for size in sizes):
        return _of_open_dims(op, x, axes, w)
    maps = {axis: _map(op, axis) for axis in axes}
    system = _system(op, axes, maps)
    if system is not None:
        return _image(op, x, axes, system, w)
    for axis, (matrix, shift) in maps.items():
        x = _apply(op, x, axis, matrix, shift, w)
    return x


def _resized(op: Resize) -> list[int]:
    """Axes that change, or that are moved by a crop or a scale."""
    if op.antialias or op.coordinates == "tf_crop_and_resize" or op.exclude_outside:
        return sorted(op.resized_axes)
    scales = op.scales.array if isinstance(op.scales, Constant) else None
    return sorted(
        axis
        for i, axis in enumerate(op.resized_axes)
        if op.x.type.dims[axis] != op.result.type.dims[axis]
        or (scales is not None and scales[i] != 1)
    )


def _map(op: Resize, axis: int) -> tuple[Array, Array]:
    """The axis as y = matrix x + shift, by the reference kernel."""
    size = static_dim(op.x.type.dims[axis], "size of a resized axis")
    count = static_dim(op.result.type.dims[axis], "size of a resized axis")
    place = op.resized_axes.index(axis)
    b = Builder("axis")
    x = b.input("x", dtypes.f32, (size, size))
    changes: dict[str, Any] = {"axes": (0,), "keep_aspect": "stretch"}
    changes |= dict.fromkeys(("scales", "sizes", "roi"))
    if op.scales is not None:
        if not isinstance(op.scales, Constant):
            raise Unwritable("the scales are computed at run time")
        changes["scales"] = b.const(op.scales.array[place : place + 1])
    else:
        changes["sizes"] = b.const([count], dtypes.i64)
        _require_plain_scale(op)
    if op.roi is not None:
        if not isinstance(op.roi, Constant):
            raise Unwritable("the region to crop is computed at run time")
        pair = op.roi.array.reshape(2, -1)[:, place]
        changes["roi"] = b.const(pair, op.roi.type.dtype)
    single = op.copy(x=x, **changes)
    graph = b.output(y=b.add(single).result)
    shift = run(graph, [np.zeros((size, size), np.float32)])["y"]
    matrix = run(graph, [np.eye(size, dtype=np.float32)])["y"] - shift
    return matrix, shift[:, 0]


def _require_plain_scale(op: Resize) -> None:
    """A common scale that bounds the sizes is another one than their ratio where it rounds."""
    if op.keep_aspect == "stretch":
        return
    sizes = known_ints(op.sizes)
    dims = [op.x.type.dims[axis] for axis in op.resized_axes]
    known = [dim for dim in dims if isinstance(dim, int)]
    if sizes is None or len(known) != len(dims):
        raise Unwritable(f"keep_aspect={op.keep_aspect} with dims that are not known")
    results, scales = bounded_sizes(known, [*sizes], op.keep_aspect)
    for size, dim, scale in zip(results, known, scales, strict=True):
        if size != dim * scale:
            raise Unwritable(f"keep_aspect={op.keep_aspect} with a scale that rounds the sizes",
                             "keep_aspect=stretch")  # fmt: skip


def _system(op: Resize, axes: Sequence[int], maps: dict[int, tuple[Array, Array]]) -> System | None:
    """The coordinate system of the image operators that gives these maps."""
    if op.x.type.rank != 4 or op.mode not in BUILTIN or len(axes) > 2:
        return None
    if axes not in ([1, 2], [2, 3], [1], [2], [3]) or any(s.any() for _, s in maps.values()):
        return None
    for system in SYSTEMS:
        if all(_gives(system, op.mode, matrix) for matrix, _ in maps.values()):
            return system
    return None


def _gives(system: System, mode: str, matrix: Array) -> bool:
    size, count = matrix.shape[1], matrix.shape[0]
    found = _matrix(system, mode, size, count)
    return bool(np.allclose(found, matrix, rtol=0, atol=1e-5))


def _matrix(system: System, mode: str, size: int, count: int) -> Array:
    """What the operator computes along one axis, in float32 as it does."""
    half_pixel, corners = system
    scale = np.float32(size) / np.float32(count)
    if corners and count > 1:
        scale = np.float32(size - 1) / np.float32(count - 1)
    offset = np.float32(0.5 if half_pixel else 0)
    at = (np.arange(count, dtype=np.float32) + offset) * scale
    found = np.zeros((count, size), np.float32)
    rows = np.arange(count)
    if mode == "nearest":
        nearest = np.floor(at + np.float32(0.5)) if corners else np.floor(at)
        found[rows, np.clip(nearest, 0, size - 1).astype(int)] = 1
        return found
    at = at - offset
    low = np.clip(np.floor(at), 0, size - 1).astype(int)
    high = np.clip(np.ceil(at), 0, size - 1).astype(int)
    weight = np.where(low == high, 0, at - np.floor(at)).astype(np.float32)
    np.add.at(found, (rows, low), 1 - weight)
    np.add.at(found, (rows, high), weight)
    return found


def _image(op: Resize, x: Tensor, axes: Sequence[int], system: System, w: Writer) -> Tensor:
    """By the operator for images [N, H, W, C]."""
    channels_last = 3 not in axes
    if not channels_last:
        x = transposed(x, (0, 2, 3, 1), w)
    dims = op.result.type.dims
    height, width = (dims[1], dims[2]) if channels_last else (dims[2], dims[3])
    y = w.op(
        BUILTIN[op.mode], x, vector((height, width), [x], w),
        dims=(x.dims[0], height, width, x.dims[3]),
        half_pixel_centers=system[0], align_corners=system[1],
    )  # fmt: skip
    return y if channels_last else transposed(y, (0, 3, 1, 2), w)


def _apply(op: Resize, x: Tensor, axis: int, matrix: Array, shift: Array, w: Writer) -> Tensor:
    dims = (*x.dims[:axis], matrix.shape[0], *x.dims[axis + 1 :])
    if op.mode == "nearest" and not shift.any():
        places = matrix.argmax(axis=1)
        return w.op("GATHER", x, w.ints(places.tolist()), dims=dims, axis=axis)
    if x.rank == 1:
        row = reshaped(x, (1, *x.dims), w)
        return reshaped(fully_connected(row, w.const(matrix), w.const(shift), w), dims, w)
    perm = [*(i for i in range(x.rank) if i != axis), axis]
    last = transposed(x, perm, w)
    y = fully_connected(last, w.const(matrix), w.const(shift), w)
    back = [perm.index(i) for i in range(x.rank)]
    return transposed(y, back, w)


def _of_open_dims(op: Resize, x: Tensor, axes: Sequence[int], w: Writer) -> Tensor:
    """A whole multiple of dims that are not known: the system must hold for every size."""
    system = _system_of_multiples(op, axes)
    if system is None:
        raise Unwritable(f"{op.mode} by {op.coordinates} of dims that are not known",
                         PIN)  # fmt: skip
    return _image(op, x, axes, system, w)


def _system_of_multiples(op: Resize, axes: Sequence[int]) -> System | None:
    factors = list(_factors(op, axes))
    whole = bool(factors) and all(f is not None and f.denominator == 1 for f in factors)
    if op.x.type.rank != 4 or axes not in ([1, 2], [2, 3]) or not whole:
        return None
    if op.antialias or op.exclude_outside or op.mode not in BUILTIN:
        return None
    half = op.coordinates in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric")
    if op.mode == "linear":
        if half:
            return True, False
        return {"asymmetric": (False, False), "align_corners": (False, True)}.get(op.coordinates)
    if half and op.nearest.startswith("round"):
        return True, False
    if op.coordinates == "asymmetric" and op.nearest == "floor":
        return False, False
    return None


def _factors(op: Resize, axes: Sequence[int]) -> Iterator[Fraction | None]:
    """How many times larger each axis becomes."""
    for axis in axes:
        size, count = op.x.type.dims[axis], op.result.type.dims[axis]
        yield next((Fraction(k) for k in range(1, 17) if count == size * k), None)


TFLITE.refuse(
    GridSample,
    why="no builtin reads at computed positions with interpolation",
    instead="a resize, or the sampling after the model",
)
