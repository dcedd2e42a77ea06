"""The oracle rejects wrong tensors and accepts every order of summation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.kernels.compare import (
    EXACT,
    Comparison,
    Tolerance,
    compare,
    tolerance_for,
    tolerance_for_path,
)

Array = npt.NDArray[Any]
BF16 = np.dtype(ml_dtypes.bfloat16)
FLOATS = [np.dtype(np.float64), np.dtype(np.float32), np.dtype(np.float16), BF16]
LONG_PATH = {"float64": 60, "float32": 60, "float16": 8, "bfloat16": 1}


def image(dtype: np.dtype[Any], seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal((2, 16, 16, 16)).astype(dtype)


def scaled(x: Array) -> Array:
    return (x.astype(np.float64) * 1.01).astype(x.dtype)


def zeroed_channel(x: Array) -> Array:
    y = x.copy()
    y[:, 7] = 0
    return y


def swapped_axes(x: Array) -> Array:
    return np.ascontiguousarray(x.swapaxes(2, 3))


def swapped_channels(x: Array) -> Array:
    y = x.copy()
    y[:, [3, 4]] = x[:, [4, 3]]
    return y


def shifted(x: Array) -> Array:
    return np.roll(x, 1, axis=-1)


def one_not_a_number(x: Array) -> Array:
    y = x.copy()
    y[1, 2, 3, 4] = np.nan
    return y


def one_infinity(x: Array) -> Array:
    y = x.copy()
    y[1, 2, 3, 4] = np.inf
    return y


def one_sign(x: Array) -> Array:
    y = x.copy()
    index = np.unravel_index(int(np.argmax(np.abs(x.astype(np.float64)))), x.shape)
    y[index] = -y[index]
    return y


MUTATIONS = [
    scaled, zeroed_channel, swapped_axes, swapped_channels, shifted,
    one_not_a_number, one_infinity, one_sign,
]  # fmt: skip


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("mutate", MUTATIONS)
def test_rejects_a_mutation(mutate: Callable[[Array], Array], dtype: np.dtype[Any]) -> None:
    expected = image(dtype)
    tolerance = tolerance_for(dtype, 512, LONG_PATH[dtype.name])
    assert compare(expected, expected, tolerance).ok
    assert not compare(mutate(expected), expected, tolerance).ok
    assert mutate is scaled or not compare(expected, mutate(expected), tolerance).ok


def test_rejects_a_single_wrong_element_in_a_million() -> None:
    expected = np.random.default_rng(1).standard_normal((4, 64, 64, 64)).astype(np.float32)
    actual = expected.copy()
    actual[2, 7, 30, 61] += np.float32(0.01)
    comparison = compare(actual, expected, tolerance_for(np.float32, 4608, 60))
    assert not comparison.ok
    assert comparison.worst is not None
    assert comparison.worst.index == (2, 7, 30, 61)
    assert comparison.worst.actual == actual[2, 7, 30, 61]
    assert comparison.worst.expected == expected[2, 7, 30, 61]
    assert comparison.where == "one element"
    assert comparison.cosine > 0.999999
    assert "worst at [2, 7, 30, 61]" in str(comparison)


def test_rejects_other_shapes_and_dtypes_even_if_values_agree() -> None:
    expected = np.ones((2, 3), np.float32)
    loose = Tolerance(1.0, 1e9, 255, "anything")
    for actual, problem in (
        (np.ones((3, 2), np.float32), "shape is (3, 2), expected (2, 3)"),
        (np.ones((1, 2, 3), np.float32), "shape is (1, 2, 3), expected (2, 3)"),
        (np.ones((2, 3), np.float64), "dtype is float64, expected float32"),
        (np.ones((2, 3), BF16), "dtype is bfloat16, expected float32"),
    ):
        comparison = compare(actual, expected, loose)
        assert (comparison.ok, comparison.problem, comparison.needed) == (False, problem, None)
        assert problem in str(comparison)


def test_positions_of_nan_and_infinity_must_agree() -> None:
    expected = np.array([1, np.nan, np.inf, -np.inf, 0], np.float32)
    loose = Tolerance(1.0, 1e30, 0, "anything")
    assert compare(expected.copy(), expected, EXACT).ok
    for index in range(4):
        for value in (2.0, np.nan, np.inf, -np.inf):
            actual = expected.copy()
            actual[index] = value
            same_kind = np.isfinite(value) and np.isfinite(expected[index])
            same = np.array_equal(actual, expected, equal_nan=True)
            comparison = compare(actual, expected, loose)
            assert comparison.ok == bool(same or same_kind)
            if not comparison.ok:
                assert comparison.worst is not None
                assert comparison.worst.index == (index,)
                assert "NaN or infinity differs in 1 of 5" in str(comparison)


def location(mutate: Callable[[Array], Array]) -> str:
    expected = image(FLOATS[1])
    return compare(mutate(expected), expected, tolerance_for(np.float32, 512)).where


def test_says_where_the_errors_are() -> None:
    assert location(zeroed_channel).endswith("all in channel 7 of axis 1")
    assert location(swapped_channels).endswith("all in channels 3, 4 of axis 1")
    assert location(shifted).endswith("spread") or location(shifted) == "everywhere"
    assert location(one_sign) == "one element"

    def last_column(x: Array) -> Array:
        y = x.copy()
        y[..., -1] += 1
        return y

    assert location(last_column).endswith("all in channel 15 of axis 3")
    assert location(lambda x: x + np.float32(1)) == "everywhere"
    assert location(lambda x: x) == ""


def test_measures_have_their_textbook_values() -> None:
    expected = np.array([[1, -2], [4, 0]], np.float32)
    actual = np.array([[1, -2], [3, 0.5]], np.float32)
    comparison = compare(actual, expected, EXACT)
    assert comparison.max_abs == 1
    assert comparison.max_rel == 0.25
    assert comparison.normwise == 0.25
    assert comparison.sqnr_db == pytest.approx(10 * math.log10(21 / 1.25))
    assert comparison.cosine == pytest.approx(17 / math.sqrt(21 * 14.25))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("value", [1.0, 1.5, 1000.0, 0.0078125])
def test_one_ulp_is_one_step_of_the_dtype(dtype: np.dtype[Any], value: float) -> None:
    bits = np.dtype(f"u{dtype.itemsize}")
    expected = np.array([value, -value], dtype)
    actual = (expected.view(bits) + bits.type(3)).view(dtype)
    assert compare(actual, expected, EXACT).max_ulp == 3


def test_one_ulp_of_a_subnormal_is_the_smallest_step() -> None:
    for dtype in FLOATS:
        step = float(ml_dtypes.finfo(dtype).smallest_subnormal)  # type: ignore[no-untyped-call]
        assert compare(np.array([step], dtype), np.array([0], dtype), EXACT).max_ulp == 1


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint64,
                                   ml_dtypes.int4, ml_dtypes.uint4])  # fmt: skip
def test_integers_are_exact_or_within_lsb(dtype: Any) -> None:
    expected = np.array([[0, 1], [5, 7]], np.int64).astype(dtype)
    actual = np.array([[0, 1], [3, 7]], np.int64).astype(dtype)
    assert compare(expected.copy(), expected, EXACT).ok
    assert not compare(actual, expected, EXACT).ok
    assert not compare(actual, expected, replace(EXACT, lsb=1)).ok
    assert compare(actual, expected, replace(EXACT, lsb=2)).ok
    assert not compare(actual, expected, tolerance_for(dtype, 4096, 60)).ok
    needed = compare(actual, expected, EXACT).needed
    assert needed is not None
    assert needed.lsb == 2


def test_integer_extremes_do_not_wrap() -> None:
    for dtype, lowest, highest in (
        (np.int64, -(2**63), 2**63 - 1),
        (np.uint64, 0, 2**64 - 1),
        (np.int8, -128, 127),
    ):
        low, high = np.array([lowest], dtype), np.array([highest], dtype)
        for actual, expected in ((low, high), (high, low)):
            comparison = compare(actual, expected, replace(EXACT, lsb=highest - lowest - 1))
            assert not comparison.ok
            assert comparison.needed is not None
            assert comparison.needed.lsb == highest - lowest


def test_large_integers_differ_by_one() -> None:
    expected = np.array([2**62], np.int64)
    assert not compare(expected + 1, expected, EXACT).ok


def test_bools_are_exact() -> None:
    expected = np.array([True, False, True])
    assert compare(expected.copy(), expected, EXACT).ok
    comparison = compare(~expected, expected, tolerance_for(np.bool_, 4096))
    assert not comparison.ok
    assert comparison.where == "everywhere"


@pytest.mark.parametrize("dtype", [*FLOATS, np.dtype(np.int8), np.dtype(np.bool_)], ids=str)
def test_empty_and_scalar_tensors(dtype: np.dtype[Any]) -> None:
    assert compare(np.zeros((0, 3), dtype), np.zeros((0, 3), dtype), EXACT).ok
    one, zero = np.ones((), dtype), np.zeros((), dtype)
    assert compare(one, one, EXACT).ok
    comparison = compare(zero, one, EXACT)
    assert not comparison.ok
    assert comparison.worst is not None
    assert comparison.worst.index == ()
    assert "worst at []: found" in str(comparison)


def test_all_zero_tensors() -> None:
    zero, tiny = np.zeros(4, np.float32), np.full(4, 1e-30, np.float32)
    same = compare(zero, zero, EXACT)
    assert (same.ok, same.normwise, same.sqnr_db, same.cosine) == (True, 0, math.inf, 1)
    other = compare(tiny, zero, tolerance_for(np.float32, 9))
    assert (other.ok, other.normwise, other.sqnr_db, other.cosine) == (
        False,
        math.inf,
        -math.inf,
        0,
    )


def test_denormals_flushed_to_zero_pass() -> None:
    expected = np.array([1e-39, -1e-40, 0, 1], np.float32)
    flushed = np.array([0, 0, 0, 1], np.float32)
    assert compare(flushed, expected, tolerance_for(np.float32, 1)).ok


def test_huge_values_neither_overflow_nor_warn() -> None:
    expected = np.array([1e308, -1e308, 1e-300], np.float64)
    assert compare(expected, expected, EXACT).ok
    comparison = compare(-expected, expected, tolerance_for(np.float64, 9))
    assert not comparison.ok
    assert comparison.max_abs > 1.7e308
    assert comparison.sqnr_db == pytest.approx(-6, abs=2)
    assert comparison.cosine == pytest.approx(-1)
    assert str(comparison)
    tiny = compare(expected * 1.01e-300, expected * 1e-300, EXACT)
    assert tiny.sqnr_db == pytest.approx(40)
    assert tiny.cosine == pytest.approx(1)


arrays = st.lists(st.floats(width=32), min_size=1, max_size=6).map(
    lambda values: np.array(values, np.float32)
)


@settings(max_examples=500, deadline=None)
@given(arrays, st.randoms(use_true_random=False), st.floats(0, 10, width=32))
def test_needed_is_the_smallest_tolerance_that_passes(
    expected: Array, random: Any, noise: float
) -> None:
    factors = np.array([1 + random.uniform(-noise, noise) for _ in expected])
    with np.errstate(over="ignore", invalid="ignore"):
        actual = (expected.astype(np.float64) * factors).astype(np.float32)
    comparison = compare(actual, expected, tolerance_for(np.float32, 3))
    if comparison.needed is None:
        matched = np.isfinite(actual) & np.isfinite(expected)
        assert not np.array_equal(actual[~matched], expected[~matched], equal_nan=True)
        return
    assert compare(actual, expected, comparison.needed).ok
    smaller = replace(comparison.needed, relative=comparison.needed.relative * (1 - 1e-9))
    assert smaller.relative == 0 or not compare(actual, expected, smaller).ok


def test_tolerance_grows_with_length_and_depth_as_a_random_walk() -> None:
    def relative(n: int, depth: int = 1) -> float:
        return tolerance_for(np.float32, n, depth).relative

    assert relative(0) == 0
    assert relative(1) == pytest.approx(2 * 2**-24)
    assert relative(400) == pytest.approx(8 * math.sqrt(2 * 400) * 2**-24, rel=1e-3)
    assert relative(40_000) == pytest.approx(10 * relative(400), rel=1e-3)
    assert relative(400, 25) == pytest.approx(5 * relative(400), rel=1e-3)
    assert tolerance_for_path(np.float32, [100, 300]).relative == relative(400)
    assert relative(100, 10) == tolerance_for_path(np.float32, [100] * 10).relative


def test_narrow_types_accumulate_in_float32_unless_told() -> None:
    wide, narrow = tolerance_for(np.float16, 256), tolerance_for(np.float16, 256, 1, np.float16)
    assert wide.relative < 0.002 < 0.02 < narrow.relative < 0.1
    assert tolerance_for(np.float16, 10**9, 60, np.float16).relative == 1
    assert "float32" in wide.why
    assert tolerance_for(np.float32, 256, 1, np.float64).relative < 2e-7


def test_a_negative_length_is_refused() -> None:
    with pytest.raises(ValueError, match="length >= 0"):
        tolerance_for(np.float32, -1)


# --- Orders of summation: no false alarm ---

Product = Callable[[Array, Array], Array]


def blas(a: Array, b: Array) -> Array:
    return a @ b


def one_by_one(a: Array, b: Array) -> Array:
    total = np.zeros((a.shape[0], b.shape[1]), a.dtype)
    for k in range(a.shape[1]):
        total += np.outer(a[:, k], b[k])
    return total


def backwards(a: Array, b: Array) -> Array:
    return one_by_one(a[:, ::-1], b[::-1])


def blocks_of_eight(a: Array, b: Array) -> Array:
    total = np.zeros((a.shape[0], b.shape[1]), a.dtype)
    for k in range(0, a.shape[1], 8):
        total += one_by_one(a[:, k : k + 8], b[k : k + 8])
    return total


def in_double(a: Array, b: Array) -> Array:
    return (a.astype(np.float64) @ b.astype(np.float64)).astype(a.dtype)


PRODUCTS: list[Product] = [blas, one_by_one, backwards, blocks_of_eight, in_double]


def agree(actual: Array, expected: Array, tolerance: Tolerance) -> Comparison:
    comparison = compare(actual, expected, tolerance)
    assert comparison.ok, str(comparison)
    return comparison


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([np.float32, np.float64]),
    st.integers(1, 600),
    st.integers(8, 40),
    st.sampled_from([0.0, 1.0, 100.0]),
    st.integers(0, 2**32 - 1),
)
def test_matmuls_agree_in_every_order(
    dtype: type[Any], k: int, n: int, mean: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    a = (rng.standard_normal((8, k)) + mean).astype(dtype)
    b = (rng.standard_normal((k, n)) + mean).astype(dtype)
    tolerance = tolerance_for(dtype, k)
    expected = in_double(a, b)
    for product in PRODUCTS:
        agree(product(a, b), expected, tolerance)
        agree(product(a, b), one_by_one(a, b), tolerance)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 60),
    st.sampled_from([48, 96, 144]),
    st.sampled_from(["relu", "tanh", "linear", "residual"]),
    st.integers(0, 2**32 - 1),
)
def test_deep_chains_agree_in_every_order(depth: int, k: int, kind: str, seed: int) -> None:
    """Layers as an im2col convolution sees them: positions x k times k x channels, plus bias."""
    gain = {"relu": math.sqrt(2), "residual": 0.3}.get(kind, 1.0)
    rng = np.random.default_rng(seed)
    start = rng.standard_normal((32, k)).astype(np.float32)
    weights = [
        (rng.standard_normal((k, k)) * gain / math.sqrt(k)).astype(np.float32) for _ in range(depth)
    ]
    bias = (rng.standard_normal(k) * 0.1).astype(np.float32)

    def chain(product: Product) -> Array:
        x = start
        for w in weights:
            y = product(x, w) + bias
            x = {"relu": np.maximum(y, 0), "tanh": np.tanh(y), "residual": x + y}.get(kind, y)
        return x

    additions = 2 if kind == "residual" else 1
    tolerance = tolerance_for(np.float32, k + additions, depth)
    expected = chain(in_double)
    for product in PRODUCTS:
        agree(chain(product), expected, tolerance)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([np.dtype(np.float16), BF16]),
    st.integers(1, 12),
    st.integers(4, 128),
    st.integers(0, 2**32 - 1),
)
def test_narrow_chains_agree_in_every_order(
    dtype: np.dtype[Any], depth: int, k: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    start = rng.standard_normal((32, k)).astype(dtype)
    weights = [(rng.standard_normal((k, k)) * math.sqrt(2 / k)).astype(dtype) for _ in range(depth)]

    def chain(product: Product) -> Array:
        x = start
        for w in weights:
            sums = product(x.astype(np.float32), w.astype(np.float32))
            x = np.maximum(sums.astype(dtype), np.zeros((), dtype))
        return x

    tolerance = tolerance_for(dtype, k, depth)
    for product in PRODUCTS:
        agree(chain(product), chain(in_double), tolerance)
