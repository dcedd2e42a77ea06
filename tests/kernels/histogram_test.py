"""The growing histogram: however a stream is cut, the same counts."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgec.ir import Array
from edgec.kernels import Histogram

ARRAYS = hnp.arrays(
    np.float32,
    st.integers(1, 200),
    elements=st.builds(math.ldexp, st.floats(-1, 1, width=16), st.integers(-40, 60))
    | st.sampled_from([0.0, -0.0, 6.0]),
)


def counted(*arrays: Array, bins: int = 64) -> Histogram:
    histogram = Histogram(bins)
    for array in arrays:
        histogram.add(array, float(array.min()), float(array.max()))
    return histogram


@settings(deadline=None)
@given(st.lists(ARRAYS, min_size=1, max_size=5))
def test_pieces_count_as_the_whole(arrays: list[Array]) -> None:
    pieces, whole = counted(*arrays), counted(np.concatenate(arrays))
    assert (pieces.low, pieces.high, pieces.zeros) == (whole.low, whole.high, whole.zeros)
    assert (pieces.width, pieces.first) == (whole.width, whole.first)
    np.testing.assert_array_equal(pieces.counts, whole.counts)


@settings(deadline=None)
@given(st.lists(ARRAYS, min_size=1, max_size=3))
def test_every_element_lies_in_its_bin(arrays: list[Array]) -> None:
    histogram = counted(*arrays)
    elements = np.concatenate(arrays).astype(np.float64)
    expected, _ = np.histogram(elements, histogram.edges)
    expected[-1] -= np.count_nonzero(elements == histogram.edges[-1])  # numpy closes the last bin
    np.testing.assert_array_equal(histogram.counts, expected)
    assert histogram.zeros == np.count_nonzero(elements == 0)
    assert histogram.total == elements.size


def test_half_of_the_bins_are_used() -> None:
    rng = np.random.default_rng(1)
    for scale in (1e-20, 0.3, 1.0, 7e10):
        histogram = counted(rng.uniform(-scale, scale, 10_000).astype(np.float32), bins=128)
        assert np.count_nonzero(histogram.counts) > 60


def test_quantiles_are_those_of_the_elements_to_a_bin() -> None:
    rng = np.random.default_rng(0)
    elements = np.maximum(rng.standard_normal(100_000), 0).astype(np.float32)
    histogram = counted(*np.split(elements, 10), bins=4096)
    for share in (0.0, 0.001, 0.4, 0.6, 0.9, 0.999, 1.0):
        assert abs(histogram.quantile(share) - np.quantile(elements, share)) <= histogram.width
    assert histogram.quantile(0.3) == 0.0, "zeros are zeros, not somewhere in their bin"


def test_other_dtypes_are_counted_as_float32() -> None:
    for dtype in (np.float16, np.float64):
        histogram = counted(np.array([-1.5, 0, 2.5], dtype))
        assert (histogram.low, histogram.high, histogram.total) == (-1.5, 2.5, 3)


def test_values_beside_each_other_far_from_zero() -> None:
    base = np.float32(2**23)
    histogram = counted(base + np.arange(8, dtype=np.float32))
    assert histogram.total == 8
    assert histogram.low == base
