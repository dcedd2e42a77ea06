"""Numbers per channel: what a constant, or a normalization, does to each channel of a value.

All arithmetic on constants is done in float64; ``rounded`` rounds once, to the dtype of the weight.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TypeAlias

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from edgec.ir import Array, Constant, DType, Value
from edgec.ir.ops import BatchNorm

Vector: TypeAlias = NDArray[np.float64]

ONE: Vector = np.ones(1)
ZERO: Vector = np.zeros(1)


@dataclass(frozen=True)
class Affine:
    """y = x * scale + shift along one axis; each has one element, or one per channel."""

    scale: Vector = field(default_factory=ONE.view)
    shift: Vector = field(default_factory=ZERO.view)

    @property
    def scales(self) -> bool:
        return bool(np.any(self.scale != 1))

    @property
    def shifts(self) -> bool:
        return bool(np.any(self.shift != 0))


def per_channel(constant: Value, value: Value, axis: int) -> Vector | None:
    """The elements of a constant along an axis of the value that it is combined with; None when it
    varies along another axis, too."""
    if not isinstance(constant, Constant) or constant.array.ndim > value.type.rank:
        return None
    missing = value.type.rank - constant.array.ndim
    sizes = (1,) * missing + constant.array.shape
    if any(size != 1 for at, size in enumerate(sizes) if at != axis):
        return None
    return float64(constant).reshape(-1)


def batch_norm_affine(op: BatchNorm) -> Affine | None:
    """What a normalization with constant statistics does to each channel; None when one of its
    operands is not constant, or the variance is not positive."""
    operands = (op.gamma, op.beta, op.mean, op.var)
    if not all(isinstance(value, Constant) for value in operands):
        return None
    gamma, beta, mean, var = map(float64, operands)
    if not bool(np.all(var + op.eps > 0)):
        return None
    scale = gamma / np.sqrt(var + op.eps)
    return Affine(scale, beta - mean * scale)


def float64(value: Value) -> Vector:
    """The data of a constant, in float64."""
    assert isinstance(value, Constant)
    return value.array.astype(np.float64)


def rounded(data: Array, like: Value, hint: str = "") -> Constant | None:
    """The constant of that element type, None when an element overflows it."""
    return constant_of(data, like.type.dtype, hint or like.hint)


def constant_of(data: Array, dtype: DType, hint: str = "") -> Constant | None:
    """Float64 data rounded once to ``dtype``; None when an element is not finite there."""
    with np.errstate(over="ignore"):
        array = np.asarray(data).astype(dtype.numpy)
    if not bool(np.all(np.isfinite(array.astype(np.float64)))):
        return None
    return Constant(array, hint=hint)


@cache
def smallest_normal(dtype: DType) -> float:
    """The smallest normal number of a float type."""
    return float(ml_dtypes.finfo(dtype.numpy).smallest_normal)  # type: ignore[no-untyped-call]


@cache
def spacing(dtype: DType) -> float:
    """The distance from 1 to the next number of a float type."""
    return float(ml_dtypes.finfo(dtype.numpy).eps)  # type: ignore[no-untyped-call]


def is_plain_float(*values: Value | None) -> bool:
    """True when every present value holds floats that no quantization reinterprets."""
    return all(v.type.dtype.is_float and v.type.quant is None for v in values if v is not None)
