"""Reductions, softmax and matrix products: error bounds, and the cases at the edge."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from edgec.ir import Builder, Op, dtypes
from edgec.ir.ops import (
    ArgMax,
    CumSum,
    Einsum,
    LogSoftmax,
    MatMul,
    ReduceLogSumExp,
    ReduceMax,
    ReduceMean,
    ReduceMin,
    ReduceProd,
    ReduceSum,
    Softmax,
)
from edgec.kernels import KERNELS, run
from edgec.kernels.reduce import total

UNIT = 2.0**-24


def apply(cls: type[Op], *arrays: Any, **attributes: Any) -> Any:
    b = Builder()
    data = [np.asarray(array) for array in arrays]
    inputs = [b.input(f"x{i}", dtypes.dtype_of(a.dtype), a.shape) for i, a in enumerate(data)]
    return run(b.output(y=b.add(cls(*inputs, **attributes)).result), data)["y"]


@pytest.mark.parametrize("count", [1, 255, 256, 257, 1000, 100_003])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_blocked_sums_keep_their_bound(count: int, offset: float) -> None:
    rng = np.random.default_rng(count)
    x = (rng.standard_normal((3, count)) + offset).astype(np.float32)
    for row, summed in zip(x, total(x, (1,)).reshape(-1), strict=True):
        magnitude = math.fsum(abs(float(e)) for e in row)
        assert abs(summed - math.fsum(map(float, row))) <= 8 * UNIT * magnitude


def test_sums_pass_infinity_and_nan_on() -> None:
    x = np.zeros((3, 300), np.float32)
    x[0, 5], x[1, 299], x[2, 1], x[2, 2] = math.inf, math.nan, math.inf, -math.inf
    found = apply(ReduceSum, x, axes=(1,), keepdims=False)
    np.testing.assert_array_equal(found, [math.inf, math.nan, math.nan])


def test_a_reduction_of_nothing() -> None:
    x = np.zeros((2, 0, 3), np.float32)
    axes = {"axes": (1,), "keepdims": False}
    np.testing.assert_array_equal(apply(ReduceMax, x, **axes), np.full((2, 3), -math.inf))
    np.testing.assert_array_equal(apply(ReduceMin, x, **axes), np.full((2, 3), math.inf))
    np.testing.assert_array_equal(apply(ReduceSum, x, **axes), np.zeros((2, 3)))
    np.testing.assert_array_equal(apply(ReduceProd, x, **axes), np.ones((2, 3)))
    assert np.isnan(apply(ReduceMean, x, **axes)).all()
    integers = np.zeros((0,), np.int8)
    assert apply(ReduceMax, integers, axes=(0,), keepdims=False) == -128


def test_integer_means_truncate() -> None:
    x = np.array([[-7, 0], [7, 0]], np.int32)
    np.testing.assert_array_equal(apply(ReduceMean, x, axes=(1,), keepdims=False), [-3, 3])


def test_log_sum_exp_does_not_overflow() -> None:
    x = np.array([[1000.0, 1000.0], [-math.inf, -math.inf], [math.inf, 0]], np.float32)
    found = apply(ReduceLogSumExp, x, axes=(1,), keepdims=False)
    np.testing.assert_allclose(found, [1000 + math.log(2), -math.inf, math.inf], rtol=1e-6)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_softmax_of_large_numbers(axis: int) -> None:
    x = (np.random.default_rng(axis).standard_normal((5, 6, 7)) * 300).astype(np.float32)
    wide = x.astype(np.float64)
    shifted = wide - wide.max(axis=axis, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    np.testing.assert_allclose(apply(Softmax, x, axis=axis), np.exp(logs), rtol=3e-5, atol=1e-38)
    np.testing.assert_allclose(apply(LogSoftmax, x, axis=axis), logs, rtol=2e-6, atol=1e-6)


def test_arg_max_of_equal_elements() -> None:
    x = np.array([[3, 9, 9, 1]], np.int8)
    assert apply(ArgMax, x, axis=1)[0, 0] == 1
    assert apply(ArgMax, x, axis=1, last=True)[0, 0] == 2


def test_running_sums_exclusive_and_reverse() -> None:
    x = np.array([1.0, 2.0, 4.0], np.float32)
    np.testing.assert_array_equal(apply(CumSum, x, axis=0, exclusive=True), [0, 1, 3])
    np.testing.assert_array_equal(apply(CumSum, x, axis=0, reverse=True), [7, 6, 4])
    both = apply(CumSum, x, axis=0, exclusive=True, reverse=True)
    np.testing.assert_array_equal(both, [6, 4, 0])


def test_matmul_carries_its_activation_and_bias() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(s).astype(np.float32) for s in ((2, 3, 4), (5, 4)))
    bias = rng.standard_normal(5).astype(np.float32)
    found = apply(
        MatMul, a, b, bias, transpose_b=True, alpha=0.5, act="clip", act_params=(-0.25, 1.0)
    )
    exact = np.clip(0.5 * a.astype(np.float64) @ b.T.astype(np.float64) + bias, -0.25, 1.0)
    np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-6)


def test_half_precision_products_are_rounded_once() -> None:
    rng = np.random.default_rng(1)
    a, b = (rng.standard_normal(s).astype(np.float16) for s in ((8, 300), (300, 8)))
    exact = (a.astype(np.float64) @ b.astype(np.float64)).astype(np.float16)
    found = apply(MatMul, a, b)
    assert np.mean(found == exact) > 0.95


def test_einsum_copies_what_it_only_moves() -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    b = Builder()
    op = b.add(Einsum((b.input("x", dtypes.f32, x.shape),), equation="ij->ji"))
    found = KERNELS.get(Einsum)(op, x)  # type: ignore[operator]  # it has a rule
    assert not np.may_share_memory(found, x)
    np.testing.assert_array_equal(found, x.T)
