"""Normalization, from means and elementwise arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgec.ir import Constant, Dim, Value
from edgec.ir.ops import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LpNorm, Lrn, RmsNorm
from edgec.lowering.tflite.layouts import as_given, channels_last
from edgec.lowering.tflite.legalize import binary, compared, scaled, selected, shifted
from edgec.lowering.tflite.linear import fully_connected
from edgec.lowering.tflite.shapes import reshaped, transposed
from edgec.lowering.tflite.table import TFLITE, static_dim
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer


def mean(x: Tensor, axes: Sequence[int], w: Writer) -> Tensor:
    """The mean over axes, which become 1."""
    dims = tuple(1 if axis in axes else dim for axis, dim in enumerate(x.dims))
    return w.op("MEAN", x, w.ints(axes), dims=dims, keep_dims=True)


def normalized(x: Tensor, axes: Sequence[int], eps: float, w: Writer) -> Tensor:
    """(x - mean) / sqrt(var + eps) over axes."""
    centred = binary("SUB", x, mean(x, axes, w), w)
    variance = mean(w.op("SQUARE", centred), axes, w)
    return binary("MUL", centred, w.op("RSQRT", shifted(variance, eps, w)), w)


def affine(x: Tensor, gamma: Tensor | None, beta: Tensor | None, w: Writer) -> Tensor:
    """gamma * x + beta, without what is absent, 1 or 0 everywhere."""
    if gamma is not None and not _is_all(gamma, 1):
        x = binary("MUL", x, gamma, w)
    if beta is not None and not _is_all(beta, 0):
        x = binary("ADD", x, beta, w)
    return x


def _is_all(x: Tensor, number: float) -> bool:
    return x.array is not None and bool(np.all(x.array == number))


def _along(value: Value, axis: int, rank: int, w: Writer) -> Tensor:
    """A vector along one axis."""
    x = w[value]
    dims: list[Dim] = [1] * (rank - axis)
    dims[0] = x.dims[0]
    return reshaped(x, dims, w)


@TFLITE.rule(BatchNorm)
def batch_norm(op: BatchNorm, w: Writer) -> Tensor:
    rank, axis = op.x.type.rank, op.axis
    values = (op.gamma, op.beta, op.mean, op.var)
    if all(isinstance(value, Constant) for value in values):
        gamma, beta, centre, variance = (w[value].array for value in values)
        assert gamma is not None
        assert beta is not None
        assert centre is not None
        assert variance is not None
        scale = gamma / np.sqrt(variance.astype(np.float64) + op.eps)
        shift = beta - centre * scale
        along = (-1, *(1,) * (rank - axis - 1))
        return affine(
            w[op.x],
            w.const(scale.astype(np.float32).reshape(along)),
            w.const(shift.astype(np.float32).reshape(along)),
            w,
        )
    given = [_along(value, axis, rank, w) for value in values]
    deviation = w.op("RSQRT", shifted(given[3], op.eps, w))
    y = binary("MUL", binary("SUB", w[op.x], given[2], w), deviation, w)
    return affine(y, given[0], given[1], w)


@TFLITE.rule(InstanceNorm)
def instance_norm(op: InstanceNorm, w: Writer) -> Tensor:
    x = channels_last(w[op.x], op.layout, w)
    y = normalized(x, range(1, x.rank - 1), op.eps, w)
    return as_given(affine(y, w[op.gamma], w[op.beta], w), op.layout, w)


@TFLITE.rule(GroupNorm)
def group_norm(op: GroupNorm, w: Writer) -> Tensor:
    """Groups as an axis of their own."""
    x = w[op.x]
    batch, channels, *spatial = x.dims
    size: Dim = channels // op.groups
    for dim in spatial:
        size = size * dim
    grouped = reshaped(x, (batch, op.groups, size), w)
    y = reshaped(normalized(grouped, (2,), op.eps, w), x.dims, w)
    return affine(y, _along(op.gamma, 1, x.rank, w), _along(op.beta, 1, x.rank, w), w)


@TFLITE.rule(LayerNorm)
def layer_norm(op: LayerNorm, w: Writer) -> Tensor:
    x = w[op.x]
    y = normalized(x, range(op.axis, x.rank), op.eps, w)
    return affine(y, w[op.gamma], None if op.beta is None else w[op.beta], w)


@TFLITE.rule(RmsNorm)
def rms_norm(op: RmsNorm, w: Writer) -> Tensor:
    x = w[op.x]
    square = mean(w.op("SQUARE", x), range(op.axis, x.rank), w)
    y = binary("MUL", x, w.op("RSQRT", shifted(square, op.eps, w)), w)
    return affine(y, w[op.gamma], None, w)


@TFLITE.rule(LpNorm)
def lp_norm(op: LpNorm, w: Writer) -> Tensor:
    x = w[op.x]
    terms = w.op("ABS", x) if op.p == 1 else w.op("SQUARE", x)
    dims = tuple(1 if axis == op.axis else dim for axis, dim in enumerate(x.dims))
    total = w.op("SUM", terms, w.ints([op.axis]), dims=dims, keep_dims=True)
    size = total if op.p == 1 else w.op("SQRT", total)
    nothing = compared("EQUAL", size, w.like(0, size), w)
    return binary("DIV", x, selected(nothing, w.like(1, size), size, w), w)


@TFLITE.rule(Lrn)
def lrn(op: Lrn, w: Writer) -> Tensor:
    """LOCAL_RESPONSE_NORMALIZATION of images by an odd number of channels, else by sums over
    shifted channels."""
    x = w[op.x]
    last = transposed(x, (0, *range(2, x.rank), 1), w)
    if op.size % 2:
        y = _as_image(last, w)
        y = w.op(
            "LOCAL_RESPONSE_NORMALIZATION", y, radius=op.size // 2, bias=op.bias,
            alpha=op.alpha / op.size, beta=op.beta,
        )  # fmt: skip
        y = reshaped(y, last.dims, w)
    else:
        channels = static_dim(last.dims[-1], "number of channels")
        band = _band(channels, op.size)
        none = w.const(np.zeros(channels, np.float32))
        sums = fully_connected(w.op("SQUARE", last), w.const(band), none, w)
        base = shifted(scaled(sums, op.alpha / op.size, w), op.bias, w)
        y = binary("DIV", last, binary("POW", base, w.like(op.beta, base), w), w)
    return transposed(y, (0, y.rank - 1, *range(1, y.rank - 1)), w)


def _as_image(x: Tensor, w: Writer) -> Tensor:
    """Channels last, under four dims."""
    size: Dim = 1
    for dim in x.dims[:-1]:
        size = size * dim
    return reshaped(x, (1, 1, size, x.dims[-1]), w)


def _band(channels: int, size: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Which channels each sum takes: of an even number one more lies after than before."""
    before = (size - 1) // 2
    rows, columns = np.indices((channels, channels))
    offset = columns - rows
    return ((offset >= -before) & (offset <= size - 1 - before)).astype(np.float32)
