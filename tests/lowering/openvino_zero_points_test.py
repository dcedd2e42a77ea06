"""Reading integers without their zero point changes no numbers beyond the rounding of sums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgec
from edgec.ir import Builder, Constant, Graph, dtypes
from edgec.ir.ops import Conv, Dequantize, Quantize
from edgec.kernels import InMemory, run, seeded_inputs
from edgec.lowering.openvino.zero_points import drop_zero_points
from edgec.passes import Settings

CHANNELS, OUTPUTS, SIZE = 5, 3, 4
SCALE = 0.05


def layer(point: int, pad: int = 0, *, shown: bool = False, biased: bool = True) -> Graph:
    """A convolution that reads bytes with this zero point; ``shown``: they are an output, too."""
    rng = np.random.default_rng(point)
    b = Builder("layer")
    x = b.input("x", dtypes.f32, (1, CHANNELS, SIZE, SIZE))
    scale = b.const(np.asarray(SCALE), dtypes.f32)
    zero = b.const(np.asarray(point), dtypes.u8)
    stored = b.add(Quantize(x, scale, zero, to=dtypes.u8)).result
    read = b.add(Dequantize(stored, scale, zero)).result
    weights = b.const(rng.normal(0, 0.5, (OUTPUTS, CHANNELS, 1, 1)), dtypes.f32)
    bias = b.const(rng.normal(0, 0.5, OUTPUTS), dtypes.f32) if biased else None
    y = b.add(Conv(read, weights, bias, pads=(pad,) * 4)).result
    return b.output(y=y, read=read) if shown else b.output(y=y)


def points(graph: Graph) -> list[int]:
    """Of what is stored as the model runs: weights have none."""
    found = [op.zero_point for op in graph.ops_of(Dequantize)]
    return [int(point.array) for point in found if isinstance(point, Constant)]


@given(point=st.integers(1, 255).filter(lambda p: p != 128), biased=st.booleans())
def test_the_bias_takes_the_zero_point_back(point: int, biased: bool) -> None:
    graph = layer(point, biased=biased)
    inputs = seeded_inputs(graph)
    expected = run(graph, inputs)["y"]
    drop_zero_points(graph)
    assert points(graph) == [0]
    # A sum of CHANNELS + 2 float32 terms, none above 255 steps times the largest weight (4 sigma).
    bound = (CHANNELS + 2) ** 2 * np.finfo(np.float32).eps * 255 * SCALE * 2
    np.testing.assert_allclose(run(graph, inputs)["y"], expected, rtol=0, atol=bound)


@pytest.mark.parametrize(
    ("graph", "point"),
    [
        (layer(7, pad=1), 7),  # zeros of the padding would not be shifted
        (layer(7, shown=True), 7),  # the numbers are asked for
        (layer(128), 128),  # 0 in signed bytes already
    ],
    ids=["padded", "output", "centred"],
)
def test_zero_points_that_stay(graph: Graph, point: int) -> None:
    drop_zero_points(graph)
    assert points(graph) == [point]


def test_a_network_computes_the_same(digits: Path) -> None:
    graph = edgec.load(digits)
    inputs = seeded_inputs(graph)
    data = InMemory([inputs], "random")
    edgec.optimize(graph, "O2,calibrate,quantize{scheme=openvino}", Settings(data=data))
    before, expected = points(graph), run(graph, inputs)
    drop_zero_points(graph)
    assert points(graph) != before
    for name, found in run(graph, inputs).items():
        # Sums that lie halfway between two integers may be rounded the other way, and what follows
        # with them: 40 dB is a hundredth of the outputs, one step of 1/256 of their range.
        noise = np.square(found - expected[name]).mean()
        assert noise <= np.square(expected[name]).mean() * 1e-4
