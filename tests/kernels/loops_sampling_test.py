"""Resize, grid sampling, deformable convolution and region pooling by their properties."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgec.kernels.loops.conv import conv
from edgec.kernels.loops.deform_conv import deform_conv
from edgec.kernels.loops.grid_sample import grid_sample
from edgec.kernels.loops.nms import non_max_suppression
from edgec.kernels.loops.resize import resize
from edgec.kernels.loops.resize_axis import Axis, Sampling
from edgec.kernels.loops.roi import max_roi_pool
from edgec.kernels.loops.scratch import Scratch

Array = NDArray[Any]


def _axes(x: Array, out: Array) -> list[Axis]:
    return [Axis(n, m, m / n) for n, m in zip(x.shape, out.shape, strict=True)]


@pytest.mark.parametrize("dtype", ["f4", "f2", "i1", "i8", "?"])
@settings(max_examples=10, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 3), st.integers(1, 3))
def test_integer_nearest_resize_repeats(
    dtype: str, height: int, width: int, up: int, across: int
) -> None:
    x = np.random.default_rng(height).integers(0, 2, (2, 3, height, width)).astype(dtype)
    expected = x.repeat(up, axis=2).repeat(across, axis=3)
    out = np.zeros_like(expected)
    resize(x, _axes(x, out), Sampling(coordinates="asymmetric", nearest_mode="floor"), 0.0, out)
    np.testing.assert_array_equal(out, expected)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["linear", "cubic"]),
    st.sampled_from(["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"]),
    st.booleans(), st.booleans(), st.integers(2, 9), st.integers(2, 20),
)  # fmt: skip
def test_resize_keeps_constants(
    mode: str, coordinates: str, antialias: bool, exclude: bool, size: int, wanted: int
) -> None:
    x = np.full((1, 2, size, size), 3.0, "f4")
    out = np.zeros((1, 2, wanted, wanted), "f4")
    sampling = Sampling(mode, coordinates, antialias=antialias, exclude_outside=exclude)
    resize(x, _axes(x, out), sampling, 0.0, out)
    np.testing.assert_allclose(out, 3.0, rtol=1e-5)


def test_infinity_beside_a_sample_does_not_leak() -> None:
    x = np.array([[1.0, inf, 2.0]], "f4")
    out = np.zeros_like(x)
    scale = [Axis(1, 1, 1.0), Axis(3, 3, 1.0000001)]
    resize(x, scale, Sampling("linear", "align_corners"), 0.0, out)
    assert not np.isnan(out).any()


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_identity_grid_returns_the_input(mode: str, padding: str, rank: int) -> None:
    x = np.random.default_rng(rank).standard_normal((2, 3, *(4, 5, 6)[:rank])).astype("f4")
    coordinates = [np.linspace(-1, 1, n) for n in x.shape[2:]]
    mesh = np.stack(np.meshgrid(*coordinates, indexing="ij")[::-1], axis=-1)
    grid = np.broadcast_to(mesh, (2, *mesh.shape)).astype("f8")
    out = np.zeros_like(x)
    grid_sample(x, grid, mode, padding, True, out)
    np.testing.assert_allclose(out, x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("padding", "expected"), [("zeros", 0.0), ("border", 3.0), ("reflection", 2.0)]
)
def test_grid_padding_modes_differ_outside(padding: str, expected: float) -> None:
    x = np.array([[[0.0, 1.0, 2.0, 3.0]]], "f4")
    out = np.zeros((1, 1, 1), "f4")
    grid_sample(x, np.array([[[1 + 2 / 3]]], "f8"), "nearest", padding, True, out)
    assert out.item() == expected


def test_grid_position_that_is_not_a_number_reads_nothing() -> None:
    out = np.ones((1, 1, 1), "f4")
    grid_sample(np.ones((1, 1, 4), "f4"), np.full((1, 1, 1), np.nan), "linear", "zeros", True, out)
    assert out.item() == 0.0


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(1, 2), st.integers(1, 2), st.booleans())
def test_deform_conv_moved_by_whole_samples_is_conv(
    rank: int, groups: int, offset_groups: int, bias: bool
) -> None:
    rng = np.random.default_rng(rank * 10 + groups)
    x = rng.standard_normal((2, 4, *(6,) * rank))
    w = rng.standard_normal((4, 4 // groups, *(3,) * rank))
    b = rng.standard_normal(4) if bias else None
    out, expected = np.zeros((2, 4, *(3,) * rank)), np.zeros((2, 4, *(3,) * rank))
    two, one = (2,) * rank, (1,) * rank
    offset = np.ones((2, offset_groups * 3**rank * rank, *(3,) * rank))
    mask = np.full((2, offset_groups * 3**rank, *(3,) * rank), 0.5)
    deform_conv(x, w, offset, b, mask, two, one, one, groups, offset_groups, out, Scratch())
    shifted = np.zeros_like(x)
    inner = (slice(None), slice(None), *(slice(0, 5),) * rank)
    shifted[inner] = x[(slice(None), slice(None), *(slice(1, 6),) * rank)]
    # Position -1 of the shifted input is position 0 of the input: give conv that border.
    padded = np.pad(x, [(0, 0), (0, 0), *[(0, 1)] * rank])
    conv(
        padded[(slice(None), slice(None), *(slice(0, 7),) * rank)], w * 0.5, b, two,
        (0,) * rank, (0,) * rank, one, groups, -inf, inf, expected, Scratch(),
    )  # fmt: skip
    np.testing.assert_allclose(out, expected, rtol=1e-10, atol=1e-10)


def test_max_roi_pool_takes_whole_samples() -> None:
    x = np.arange(36, dtype="f4").reshape(1, 1, 6, 6)
    rois = np.array([[0, 1, 1, 4, 4], [0, 0, 0, 0, 0], [0, 10, 10, 12, 12]], "f4")
    out = np.full((3, 1, 2, 2), np.nan, "f4")
    max_roi_pool(x, rois, 1.0, out)
    np.testing.assert_array_equal(out[0, 0], [[14, 16], [26, 28]])
    np.testing.assert_array_equal(out[1, 0], np.zeros((2, 2)))
    np.testing.assert_array_equal(out[2, 0], np.zeros((2, 2)))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.floats(0.0, 1.0), st.integers(0, 10))
def test_suppression_keeps_exactly_the_maximal_set(
    seed: int, boxes: int, threshold: float, limit: int
) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 8, (1, boxes, 4)).astype("f4")
    scores = rng.integers(0, 5, (1, 1, boxes)).astype("f4")
    found = non_max_suppression(corners, scores, limit, threshold, 0.5, False)

    def iou(a: Array, b: Array) -> float:
        low = [max(min(a[i], a[i + 2]), min(b[i], b[i + 2])) for i in (0, 1)]
        high = [min(max(a[i], a[i + 2]), max(b[i], b[i + 2])) for i in (0, 1)]
        both = max(0.0, high[0] - low[0]) * max(0.0, high[1] - low[1])
        area = [abs((v[2] - v[0]) * (v[3] - v[1])) for v in (a, b)]
        return float(np.float32(both) / np.float32(sum(area) - both)) if both else 0.0

    kept: list[int] = []
    for i in sorted(range(boxes), key=lambda i: -scores[0, 0, i]):
        fits = all(iou(corners[0, i], corners[0, k]) <= np.float32(threshold) for k in kept)
        if scores[0, 0, i] > 0.5 and fits and len(kept) < limit:
            kept.append(i)
    assert found[:, 2].tolist() == kept
