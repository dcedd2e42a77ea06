"""Arithmetic on tensors as the builtins have it: broadcasting, scalars, common decompositions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgec.ir import Dim, DType, Quant, broadcast_dim, dtypes
from edgec.lowering.tflite.builtins import BUILTINS
from edgec.lowering.tflite.shapes import reshaped
from edgec.lowering.tflite.table import Unwritable
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer


def broadcast_dims(*tensors: Tensor) -> tuple[Dim, ...]:
    """The dims that those of the tensors broadcast to."""
    rank = max(tensor.rank for tensor in tensors)
    dims: tuple[Dim, ...] = (1,) * rank
    for tensor in tensors:
        own = (1,) * (rank - tensor.rank) + tensor.dims
        found = [broadcast_dim(a, b) for a, b in zip(dims, own, strict=True)]
        dims = tuple(dim for dim in found if dim is not None)
    return dims


def binary(builtin: str, x: Tensor, y: Tensor, w: Writer, *, dtype: DType | None = None) -> Tensor:
    """An elementwise function of two tensors, which broadcast."""
    return elementwise(builtin, (x, y), w, dtype=dtype)


def elementwise(
    builtin: str,
    operands: Sequence[Tensor],
    w: Writer,
    *,
    dtype: DType | None = None,
    quant: Quant | None = None,
    **options: Any,
) -> Tensor:
    """An elementwise operator; more dims than its kernel takes are merged where they broadcast
    alike."""
    dims = broadcast_dims(*operands)
    dtype = dtype or operands[0].dtype
    if len(dims) <= BUILTINS[builtin].rank:
        return w.op(builtin, *operands, dims=dims, dtype=dtype, quant=quant, **options)
    groups = _groups(operands, dims)
    if len(groups) > BUILTINS[builtin].rank:
        raise Unwritable(
            f"{builtin} takes {BUILTINS[builtin].rank} dims at most, found {len(dims)}"
        )
    merged = [reshaped(x, _merged(x, len(dims), groups), w) for x in operands]
    y = w.op(builtin, *merged, dims=broadcast_dims(*merged), dtype=dtype, quant=quant, **options)
    return reshaped(y, dims, w)


def _groups(operands: Sequence[Tensor], dims: Sequence[Dim]) -> list[list[int]]:
    """Neighbouring axes along which the same operands are spread."""
    groups: list[list[int]] = []
    patterns: list[tuple[bool, ...]] = []
    for axis in range(len(dims)):
        if dims[axis] == 1 and groups:
            groups[-1].append(axis)
            continue
        pattern = tuple(_size(x, axis, len(dims)) == 1 for x in operands)
        if patterns and patterns[-1] == pattern:
            groups[-1].append(axis)
        else:
            groups.append([axis])
            patterns.append(pattern)
    return groups


def _size(x: Tensor, axis: int, rank: int) -> Dim:
    own = axis - (rank - x.rank)
    return 1 if own < 0 else x.dims[own]


def _merged(x: Tensor, rank: int, groups: Sequence[Sequence[int]]) -> list[Dim]:
    sizes: list[Dim] = []
    for group in groups:
        size: Dim = 1
        for axis in group:
            size = size * _size(x, axis, rank)
        sizes.append(size)
    return sizes


def scaled(x: Tensor, factor: float, w: Writer) -> Tensor:
    """x * factor; x itself for 1."""
    return x if factor == 1 else binary("MUL", x, w.like(factor, x), w)


def shifted(x: Tensor, term: float, w: Writer) -> Tensor:
    """x + term; x itself for 0."""
    return x if term == 0 else binary("ADD", x, w.like(term, x), w)


def selected(cond: Tensor, x: Tensor, y: Tensor, w: Writer) -> Tensor:
    """x where cond, else y."""
    return elementwise("SELECT_V2", (cond, x, y), w, dtype=x.dtype)


def compared(builtin: str, x: Tensor, y: Tensor, w: Writer) -> Tensor:
    """A comparison, as bools."""
    return elementwise(builtin, (x, y), w, dtype=dtypes.boolean)


def clipped(x: Tensor, low: float, high: float, w: Writer) -> Tensor:
    """min(max(x, low), high), by the one operator for it where there is one."""
    name = CLIPS.get((low, high))
    if name is not None and x.dtype is dtypes.f32:
        return w.op(name, x)
    lowest, highest = x.dtype.limits
    if low > lowest:
        x = binary("MAXIMUM", x, w.like(low, x), w)
    return binary("MINIMUM", x, w.like(high, x), w) if high < highest else x


INFINITY = float("inf")
CLIPS = {
    (0.0, INFINITY): "RELU",
    (0.0, 6.0): "RELU6",
    (-1.0, 1.0): "RELU_N1_TO_1",
}
