"""Elementwise kernels against their formulas in double precision, at the edges too."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from edgec.ir import Builder, DType, Op, dtypes
from edgec.ir.ops import (
    Cast,
    Celu,
    Clip,
    Div,
    Elu,
    Erf,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Mish,
    Mod,
    Pow,
    Relu,
    Selu,
    Shift,
    Shrink,
    Sigmoid,
    Silu,
    Softplus,
    Softsign,
    Tanh,
    ThresholdedRelu,
)
from edgec.kernels import run

INF, NAN = math.inf, math.nan


def apply(cls: type[Op], *arrays: Any, **attributes: Any) -> Any:
    """The op on these arrays, as graph inputs."""
    b = Builder()
    data = [np.asarray(array) for array in arrays]
    inputs = [b.input(f"x{i}", dtypes.dtype_of(a.dtype), a.shape) for i, a in enumerate(data)]
    return run(b.output(y=b.add(cls(*inputs, **attributes)).result), data)["y"]


FORMULAS: Mapping[type[Op], Callable[[float], float]] = {
    Celu: lambda x: x if x > 0 else math.expm1(x),
    Elu: lambda x: x if x > 0 else math.expm1(x),
    Erf: math.erf,
    Gelu: lambda x: 0.5 * x * math.erfc(-x / math.sqrt(2)),
    HardSigmoid: lambda x: min(max(0.2 * x + 0.5, 0), 1),
    HardSwish: lambda x: x * min(max(x / 6 + 0.5, 0), 1),
    LeakyRelu: lambda x: x if x >= 0 else 0.01 * x,
    Mish: lambda x: x * math.tanh(math.log1p(math.exp(x))),
    Relu: lambda x: max(x, 0.0),
    Selu: lambda x: 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * math.expm1(x)),
    Shrink: lambda x: x if abs(x) > 0.5 else 0.0,
    Sigmoid: lambda x: 1 / (1 + math.exp(-x)),
    Silu: lambda x: x / (1 + math.exp(-x)),
    Softplus: lambda x: max(x, 0) + math.log1p(math.exp(-abs(x))),
    Softsign: lambda x: x / (1 + abs(x)),
    Tanh: math.tanh,
    ThresholdedRelu: lambda x: x if x > 1 else 0.0,
}


RELATIVE = {Selu: 4e-8, Gelu: 1e-13}  # float32 constants; erfc of a rounded argument
ABSOLUTE = {Gelu: 1e-10}  # the left tail in float32
CANCELS = {HardSigmoid: 1.0, HardSwish: 6.0}  # near x = -beta / alpha, in units of the last place


@pytest.mark.parametrize("cls", FORMULAS, ids=lambda cls: cls.op_name)
@pytest.mark.parametrize("dtype", [dtypes.f32, dtypes.f64, dtypes.f16, dtypes.bf16])
def test_activations_follow_their_formula(cls: type[Op], dtype: DType) -> None:
    x = np.linspace(-30, 30, 2401).astype(dtype.numpy)
    exact = np.array([FORMULAS[cls](float(element)) for element in x])
    info = ml_dtypes.finfo(dtype.numpy)
    unit, smallest = float(info.eps), float(info.smallest_normal)
    y = apply(cls, x).astype(np.float64)
    relative = max(4 * unit, RELATIVE.get(cls, 0.0))
    absolute = 2 * smallest + max(CANCELS.get(cls, 0.0) * unit, ABSOLUTE.get(cls, 0.0))
    np.testing.assert_allclose(y, exact, rtol=relative, atol=absolute)


@pytest.mark.parametrize("cls", FORMULAS, ids=lambda cls: cls.op_name)
def test_activations_keep_infinity_and_nan(cls: type[Op]) -> None:
    """x = inf gives the limit; NaN stays NaN, except where a comparison decides."""
    y = apply(cls, np.array([INF, NAN, 1e30, -1e30], np.float32))
    bounded = {Erf: 1.0, HardSigmoid: 1.0, Sigmoid: 1.0, Tanh: 1.0}
    if cls is not Softsign:  # inf / inf
        assert y[0] == bounded.get(cls, INF)
    decided = cls in (Shrink, ThresholdedRelu)
    assert y[1] == 0 if decided else np.isnan(y[1])
    assert np.isfinite(y[2:]).all()


def test_clip_has_the_upper_bound_last() -> None:
    x = np.array([-5.0, 0.5, 5.0, NAN], np.float32)
    np.testing.assert_array_equal(apply(Clip, x, low=2.0, high=1.0), [1, 1, 1, NAN])
    np.testing.assert_array_equal(apply(Clip, x, high=1.0), [-5, 0.5, 1, NAN])


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.uint64])
def test_clip_of_integers_takes_any_bound(dtype: type[np.generic]) -> None:
    info = np.iinfo(dtype)  # type: ignore[type-var]  # all four are integers
    x = np.array([info.min, 3, info.max], dtype)
    np.testing.assert_array_equal(apply(Clip, x, low=-1e30, high=1e30), x)
    np.testing.assert_array_equal(apply(Clip, x, low=4.0, high=6.0), [4, 4, 6])


def test_integer_division_truncates() -> None:
    x = np.array([7, -7, 7, -7, 5, -128], np.int8)
    y = np.array([2, 2, -2, -2, 0, -1], np.int8)
    np.testing.assert_array_equal(apply(Div, x, y), [3, -3, -3, 3, 0, -128])


def test_modulo_has_the_sign_that_fmod_chooses() -> None:
    for dtype in (np.int32, np.float32):
        x, y = np.array([7, -7, 7, -7], dtype), np.array([3, 3, -3, -3], dtype)
        np.testing.assert_array_equal(apply(Mod, x, y), [1, 2, -2, -1])
        np.testing.assert_array_equal(apply(Mod, x, y, fmod=True), [1, -1, 1, -1])


def test_powers_of_integers_are_exact() -> None:
    x, y = np.array([3, -2, 7, 2], np.int64), np.array([39, 3, 0, 62], np.int64)
    np.testing.assert_array_equal(apply(Pow, x, y), [3**39, -8, 1, 2**62])
    negative = apply(Pow, np.array([2, 1, -1], np.int32), np.array([-1, -5, -3], np.int32))
    np.testing.assert_array_equal(negative, [0, 1, -1])


def test_a_shift_beyond_the_width_leaves_the_sign() -> None:
    x, y = np.array([-1, -8, 5], np.int8), np.array([9, -1, 8], np.int8)
    np.testing.assert_array_equal(apply(Shift, x, y, left=False), [-1, -1, 0])
    np.testing.assert_array_equal(apply(Shift, x, y, left=True), [0, 0, 0])


def test_casts_wrap_integers_and_truncate_floats() -> None:
    wide = np.array([200, -129, 15], np.int32)
    np.testing.assert_array_equal(apply(Cast, wide, to=dtypes.i8), [-56, 127, 15])
    nibbles = apply(Cast, wide, to=dtypes.i4).astype(np.int8)
    np.testing.assert_array_equal(nibbles, [-8, -1, -1])
    real = np.array([-1.9, 1.9, NAN], np.float32)
    np.testing.assert_array_equal(apply(Cast, real[:2], to=dtypes.i32), [-1, 1])
    np.testing.assert_array_equal(apply(Cast, real, to=dtypes.boolean), [True, True, True])


@pytest.mark.parametrize("name", ["f8e4m3fn", "f8e4m3fnuz", "f8e5m2", "f8e5m2fnuz"])
def test_saturation_of_8_bit_floats(name: str) -> None:
    to = dtypes.dtype_named(name)
    largest = to.limits[1]
    x = np.array([1e6, -INF, NAN, 1.0], np.float32)
    kept = apply(Cast, x, to=to).astype(np.float32)
    np.testing.assert_array_equal(kept, [largest, -largest, NAN, 1])
    lost = apply(Cast, x, to=to, saturate=False).astype(np.float32)
    beyond = INF if name == "f8e5m2" else NAN
    np.testing.assert_array_equal(lost, [beyond, -beyond, NAN, 1])
