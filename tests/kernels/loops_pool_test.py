"""Pooling loops against the definition, one window at a time."""

from __future__ import annotations

from itertools import product
from typing import Any, Literal, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgec.kernels.loops.pool import Pooling, average_pool, lp_pool, max_pool
from edgec.kernels.loops.scratch import Scratch

Array = NDArray[Any]


class Case(NamedTuple):
    x: Array
    pooling: Pooling
    out_size: tuple[int, ...]

    def new_out(self, dtype: Any = None) -> Array:
        return np.zeros((*self.x.shape[:2], *self.out_size), dtype or self.x.dtype)

    def windows(self) -> list[tuple[tuple[int, ...], list[tuple[int, ...]], int]]:
        """Output position, input positions inside it, samples inside the padded input."""
        p, size = self.pooling, self.x.shape[2:]
        found = []
        for at in np.ndindex(*self.out_size):
            inside, padded = [], 0
            for tap in product(*map(range, p.kernel)):
                position = tuple(
                    a * s - b + t * d
                    for a, s, b, t, d in zip(
                        at, p.strides, p.pads_begin, tap, p.dilations, strict=True
                    )
                )
                axes = list(zip(position, size, p.pads_begin, p.pads_end, strict=True))
                padded += all(-b <= i < n + e for i, n, b, e in axes)
                if all(0 <= i < n for i, n, _, _ in axes):
                    inside.append(position)
            found.append((at, inside, padded))
        return found


def everywhere(position: tuple[int, ...]) -> Any:
    """The index of one spatial position in all images and channels."""
    return slice(None), slice(None), *position


@st.composite
def cases(draw: st.DrawFn, dtypes: tuple[str, ...]) -> Case:
    rank = draw(st.sampled_from([1, 2, 2, 3]))
    largest = {1: 40, 2: 20, 3: 6}[rank]
    columns: list[list[int]] = [[] for _ in range(7)]
    kernel, strides, dilations, begin, end, size, out = columns
    for _ in range(rank):
        k, s, d = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
        b, e = draw(st.integers(0, k - 1)), draw(st.integers(0, k - 1))
        reach = (k - 1) * d + 1
        n = draw(st.integers(reach, reach + largest))
        span = n + b + e - reach
        count = span // s + 1
        if draw(st.booleans()) and -(-span // s) * s < n + b:
            count = -(-span // s) + 1
        for column, value in zip(columns, (k, s, d, b, e, n, count), strict=True):
            column.append(value)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 3)), *size)
    x = rng.integers(0, 100, shape).astype(dtype) if dtype.kind in "iu" else None
    if x is None:
        x = np.round(rng.standard_normal(shape) * 4).astype(dtype)  # rounded: there are ties
    pooling = Pooling(tuple(kernel), tuple(strides), tuple(begin), tuple(end), tuple(dilations))
    return Case(x, pooling, tuple(out))


@settings(max_examples=60, deadline=None)
@given(cases(("f4", "f8", "f2", "i1", "u1")), st.integers(0, 1))
def test_max_pool(case: Case, storage_order: int) -> None:
    out, again = case.new_out(), case.new_out()
    indices = np.zeros(out.shape, np.int64)
    max_pool(case.x, case.pooling, out, Scratch())
    max_pool(case.x, case.pooling, again, Scratch(), indices, storage_order)
    np.testing.assert_array_equal(out, again)
    size = case.x.shape[2:]
    volume = int(np.prod(size))
    order: Literal["C", "F"] = "F" if storage_order else "C"
    for at, inside, _ in case.windows():
        for n, c in np.ndindex(*case.x.shape[:2]):
            values = [case.x[(n, c, *i)] for i in inside]
            if not values:
                continue
            assert out[(n, c, *at)] == max(values)
            first = np.ravel_multi_index(inside[int(np.argmax(values))], size, order=order)
            assert indices[(n, c, *at)] == (n * case.x.shape[1] + c) * volume + first


@settings(max_examples=60, deadline=None)
@given(cases(("f4", "f8", "f2")), st.booleans())
def test_average_pool(case: Case, count_include_pad: bool) -> None:
    out = case.new_out()
    average_pool(case.x, case.pooling, count_include_pad, out, Scratch())
    terms = int(np.prod(case.pooling.kernel))
    for at, inside, padded in case.windows():
        count = padded if count_include_pad else len(inside)
        if count:
            samples = [case.x[everywhere(i)].astype("f8") for i in inside]
            expected = sum(samples, np.zeros(case.x.shape[:2])) / count
            largest = np.max(abs(case.x.astype("f8")))
            bound = (terms + 1) * np.finfo(out.dtype).eps * largest
            assert np.all(abs(out[everywhere(at)] - expected) <= bound)


@settings(max_examples=30, deadline=None)
@given(cases(("f4", "f8")), st.integers(1, 3))
def test_lp_pool(case: Case, p: int) -> None:
    out = case.new_out()
    lp_pool(case.x, case.pooling, p, out, Scratch())
    for at, inside, _ in case.windows():
        samples = [abs(case.x[everywhere(i)].astype("f8")) ** p for i in inside]
        expected = sum(samples, np.zeros(case.x.shape[:2])) ** (1 / p)
        got = out[everywhere(at)]
        np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.parametrize("with_indices", [False, True])
def test_max_pool_keeps_not_a_number(with_indices: bool) -> None:
    x = np.arange(36, dtype="f4").reshape(1, 1, 6, 6)
    x[0, 0, 2, 2] = np.nan
    case = Case(x, Pooling((3, 3), (1, 1), (0, 0), (0, 0), (1, 1)), (4, 4))
    out = case.new_out()
    indices = np.zeros(out.shape, np.int64) if with_indices else None
    max_pool(x, case.pooling, out, Scratch(), indices)
    expected = np.zeros((4, 4), bool)
    expected[:3, :3] = True
    np.testing.assert_array_equal(np.isnan(out[0, 0]), expected)
