"""Convolution loops against a direct float64 statement of the definition."""

from __future__ import annotations

from itertools import product
from math import inf
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgec.kernels.loops.conv import conv, output_size
from edgec.kernels.loops.conv_transpose import conv_transpose
from edgec.kernels.loops.scratch import Scratch

Array = NDArray[Any]


class Case(NamedTuple):
    x: Array
    w: Array
    bias: Array | None
    strides: tuple[int, ...]
    begin: tuple[int, ...]
    end: tuple[int, ...]
    dilations: tuple[int, ...]
    groups: int
    lo: float
    hi: float

    @property
    def out_size(self) -> tuple[int, ...]:
        axes = zip(
            self.x.shape[2:], self.w.shape[2:], self.strides, self.begin, self.end,
            self.dilations, strict=True,
        )  # fmt: skip
        return tuple(output_size(*axis) for axis in axes)


def specification(case: Case) -> Array:
    """y[n,o,e] = bias[o] + sum over c,t of x_padded[n, c, e*stride + t*dilation] * w[o,c,t]."""
    batch, channels = case.x.shape[:2]
    outputs, inputs = case.w.shape[:2]
    widths = [(0, 0), (0, 0), *zip(case.begin, case.end, strict=True)]
    padded = np.pad(case.x.astype(np.float64), widths)
    y = np.zeros((batch, outputs, *case.out_size))
    for o in range(outputs):
        first = o // (outputs // case.groups) * inputs
        assert first + inputs <= channels
        for tap in product(*map(range, case.w.shape[2:])):
            window = tuple(
                slice(t * d, t * d + (e - 1) * s + 1, s)
                for t, d, e, s in zip(tap, case.dilations, case.out_size, case.strides, strict=True)
            )
            at: Any = (slice(None), slice(first, first + inputs), *window)
            weights: Any = (o, slice(None), *tap)
            y[:, o] += np.einsum("nc...,c->n...", padded[at], case.w[weights])
    if case.bias is not None:
        y += case.bias.reshape(-1, *(1,) * len(case.out_size))
    return np.clip(y, case.lo, case.hi)


@st.composite
def cases(draw: st.DrawFn, dtype: str = "f4") -> Case:
    rank = draw(st.sampled_from([1, 2, 2, 2, 3]))
    largest = {1: 70, 2: 30, 3: 7}[rank]

    def axes(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(rank))

    kernel = draw(st.sampled_from([(1,) * rank, (3,) * rank, (5,) * rank, axes(1, 4)]))
    dilations = draw(st.sampled_from([(1,) * rank, axes(1, 3)]))
    strides = draw(st.sampled_from([(1,) * rank, (2,) * rank, axes(1, 3)]))
    begin = draw(st.sampled_from([(0,) * rank, tuple(k // 2 for k in kernel), axes(0, 3)]))
    end = draw(st.sampled_from([begin, axes(0, 3)]))
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    size = tuple(
        draw(st.integers(max(1, r - b - e), largest + r))
        for r, b, e in zip(reach, begin, end, strict=True)
    )
    groups, inputs, outputs = (draw(st.integers(1, 4)) for _ in range(3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    batch = draw(st.integers(1, 2))
    x = rng.standard_normal((batch, groups * inputs, *size)).astype(dtype)
    w = rng.standard_normal((groups * outputs, inputs, *kernel)).astype(dtype)
    bias = rng.standard_normal(groups * outputs).astype(dtype) if draw(st.booleans()) else None
    lo, hi = draw(st.sampled_from([(-inf, inf), (0.0, 6.0), (0.0, inf), (-0.5, 0.5)]))
    return Case(x, w, bias, strides, begin, end, dilations, groups, lo, hi)


def run(case: Case) -> Array:
    shape = (case.x.shape[0], case.w.shape[0], *case.out_size)
    out = np.full(shape, np.nan, case.x.dtype)
    conv(
        case.x, case.w, case.bias, case.strides, case.begin, case.end, case.dilations,
        case.groups, case.lo, case.hi, out, Scratch(),
    )  # fmt: skip
    return out


def error_bound(case: Case) -> Array:
    """K * eps * sum |x * w|: the bound that conv documents."""
    bias = None if case.bias is None else abs(case.bias)
    magnitude = specification(
        case._replace(x=abs(case.x), w=abs(case.w), bias=bias, lo=-inf, hi=inf)
    )
    terms = case.w[0].size + 1
    limits = np.finfo(case.x.dtype)
    return np.asarray(terms * limits.eps * magnitude + limits.tiny)


@settings(max_examples=150, deadline=None)
@given(cases())
def test_conv_is_within_its_documented_bound(case: Case) -> None:
    assert np.all(abs(run(case) - specification(case)) <= error_bound(case))


@settings(max_examples=25, deadline=None)
@given(cases("f8"))
def test_conv_float64_is_within_its_documented_bound(case: Case) -> None:
    assert np.all(abs(run(case) - specification(case)) <= error_bound(case))


def _fixed(channels: int, outputs: int, groups: int, kernel: int, size: int, stride: int) -> Case:
    rng = np.random.default_rng(channels * 1000 + outputs * 10 + kernel)
    x = rng.standard_normal((1, channels, size, size)).astype("f4")
    w = rng.standard_normal((outputs, channels // groups, kernel, kernel)).astype("f4")
    bias = rng.standard_normal(outputs).astype("f4")
    pad = (kernel // 2,) * 2
    return Case(x, w, bias, (stride,) * 2, pad, pad, (1, 1), groups, 0.0, 6.0)


@pytest.mark.parametrize(
    "case",
    [
        _fixed(16, 24, 1, 1, 40, 1),  # several blocks of a pointwise product
        _fixed(48, 48, 48, 3, 56, 1),  # several row chunks of one plane
        _fixed(6, 6, 6, 5, 7, 1),
        _fixed(5, 5, 5, 5, 28, 2),
        _fixed(3, 9, 1, 3, 112, 2),  # direct, odd number of output channels
        _fixed(64, 32, 2, 5, 28, 1),  # several column blocks
    ],
    ids=lambda case: "x".join(map(str, (*case.x.shape, *case.w.shape))),
)
def test_conv_of_network_shapes_is_within_its_bound(case: Case) -> None:
    assert np.all(abs(run(case) - specification(case)) <= error_bound(case))


@pytest.mark.parametrize("case", [_fixed(4, 4, 4, 3, 9, 1), _fixed(2, 4, 1, 3, 40, 1)])
def test_not_a_number_reaches_every_window_that_reads_it(case: Case) -> None:
    case.x[0, 1, 4, 4] = np.nan
    with np.errstate(invalid="ignore"):
        expected = specification(case)
    np.testing.assert_array_equal(np.isnan(run(case)), np.isnan(expected))


@pytest.mark.parametrize("case", [_fixed(4, 4, 4, 5, 9, 2), _fixed(2, 4, 1, 3, 40, 1)])
def test_infinity_stays_infinity(case: Case) -> None:
    case = case._replace(lo=-inf, hi=inf)
    case.x[0, 1, 4, 4] = inf
    np.testing.assert_array_equal(np.isinf(run(case)), np.isinf(specification(case)))


def test_conv_accepts_read_only_weights() -> None:
    case = _fixed(4, 4, 4, 3, 9, 1)
    case.w.flags.writeable = False
    assert np.all(abs(run(case) - specification(case)) <= error_bound(case))


def test_conv_refuses_a_wrong_output_shape() -> None:
    case = _fixed(4, 4, 4, 3, 9, 1)
    with pytest.raises(ValueError, match="out wants shape"):
        conv(
            case.x, case.w, None, (1, 1), (0, 0), (0, 0), (1, 1), 4, -inf, inf,
            np.empty((1, 4, 9, 9), "f4"), Scratch(),
        )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(cases(), st.data())
def test_conv_transpose_is_the_adjoint_of_conv(case: Case, data: st.DataObject) -> None:
    """<conv(x, w), y> = <x, conv_transpose(y, w)>, for every x and y."""
    case = case._replace(x=case.x.astype("f8"), w=case.w.astype("f8"), bias=None, lo=-inf, hi=inf)
    forward = specification(case)
    y = np.random.default_rng(data.draw(st.integers(0, 99))).standard_normal(forward.shape)
    back = np.empty_like(case.x)
    conv_transpose(
        y, case.w, None, case.strides, case.begin, case.dilations, case.groups, back, Scratch()
    )
    scale = np.sum(abs(case.x)) * np.max(abs(back), initial=1)
    assert abs(np.sum(forward * y) - np.sum(case.x * back)) <= 1e-12 * scale
