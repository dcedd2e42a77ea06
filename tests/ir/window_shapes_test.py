"""Spatial dims of window and resize ops: what is inferred for a symbol holds for every size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.ir import ANY, Builder, Dim, Graph, Op, Value, dtypes, evaluate
from edgec.ir.ops import AvgPool, BatchNorm, Conv, ConvTranspose, LpPool, MaxPool, Resize
from edgec.ir.ops.resize import scaled_dim
from edgec.kernels import run

Make = Callable[[Builder, Value], Op]


def graph_of(size: Dim | str, make: Make) -> Graph:
    """x [N, 2, size] -> one op."""
    b = Builder()
    return b.output(y=b.add(make(b, b.input("x", dtypes.f32, ("N", 2, size)))).result)


def holds_for(make: Make, size: int) -> None:
    symbolic = graph_of("W", make).outputs[0].type.dims[-1]
    exact = graph_of(size, make)
    expected = exact.outputs[0].type.dims[-1]
    assert evaluate(symbolic, {"W": size}) == expected
    found = run(exact, [np.ones((1, 2, size), np.float32)])["y"]
    assert found.shape[-1] == expected


@st.composite
def windows(draw: st.DrawFn) -> dict[str, Any]:
    kernel = draw(st.integers(1, 4))
    attributes: dict[str, Any] = {
        "stride": (draw(st.integers(1, 4)),),
        "dilation": (draw(st.integers(1, 2)),),
    }
    if draw(st.booleans()):
        attributes["auto_pad"] = draw(st.sampled_from(["same_upper", "same_lower"]))
    else:
        attributes["pads"] = (draw(st.integers(0, kernel)), draw(st.integers(0, kernel)))
    return {"kernel": kernel, **attributes}


@settings(max_examples=60, deadline=None)
@given(windows(), st.integers(8, 20))
def test_conv(window: dict[str, Any], size: int) -> None:
    kernel = window.pop("kernel")
    w = np.ones((3, 2, kernel), np.float32)
    holds_for(lambda b, x: Conv(x, b.const(w), **window), size)


@settings(max_examples=60, deadline=None)
@given(windows(), st.integers(8, 20))
def test_conv_transpose(window: dict[str, Any], size: int) -> None:
    kernel = window.pop("kernel")
    window.pop("auto_pad", None)
    w = np.ones((2, 3, kernel), np.float32)
    holds_for(lambda b, x: ConvTranspose(x, b.const(w), **window), size)


@settings(max_examples=60, deadline=None)
@given(windows(), st.integers(8, 20), st.booleans(), st.sampled_from([MaxPool, AvgPool, LpPool]))
def test_pools(
    window: dict[str, Any], size: int, ceil: bool, cls: type[MaxPool | AvgPool | LpPool]
) -> None:
    kernel = window.pop("kernel")
    holds_for(lambda b, x: cls(x, kernel=(kernel,), ceil=ceil, **window), size)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([0.5, 0.25, 1 / 3, 2 / 3, 0.7, 1.5, 2.0, 8.0]), st.integers(1, 200))
def test_resize(scale: float, size: int) -> None:
    scales = np.asarray([1, 1, scale], np.float32)
    holds_for(lambda b, x: Resize(x, b.const(scales), coordinates="asymmetric"), size)


def test_a_scale_that_is_no_small_ratio_gives_an_unknown_dim() -> None:
    b = Builder()
    x = b.input("x", dtypes.f32, (1, "W"))
    op = Resize(x, b.const(np.asarray([1, 0.123456], np.float32)))
    assert op.result.type.dims == (1, ANY)
    assert scaled_dim(100, 0.123456) == 12


@pytest.mark.parametrize("size", [32, 64, 96, 640, 736])
def test_a_detector_that_goes_down_and_up_again(size: int) -> None:
    """As PP-OCR does: strided convolutions and pools, resizes, transposed convolutions."""
    b = Builder()
    x = b.input("x", dtypes.f32, ("N", 1, "H", "W"))
    w, up = np.ones((1, 1, 3, 3), np.float32), np.ones((1, 1, 2, 2), np.float32)
    one = b.const(np.ones(1, np.float32))
    down = b.add(Conv(x, b.const(w), stride=(2, 2), pads=(1, 1, 1, 1))).result
    down = b.add(BatchNorm(down, one, one, one, one)).result
    down = b.add(MaxPool(down, kernel=(3, 3), stride=(2, 2), pads=(1, 1, 1, 1))).result
    resized = b.add(Resize(down, b.const(np.asarray([1, 1, 2, 2], np.float32)))).result
    y = b.add(ConvTranspose(resized, b.const(up), stride=(2, 2))).result
    graph = b.output(y=y)
    found = [evaluate(dim, {"N": 1, "H": size, "W": 64}) for dim in graph.outputs[0].type.dims]
    assert found == [1, 1, size, 64]
    assert run(graph, [np.ones((1, 1, size, 64), np.float32)])["y"].shape == tuple(found)
