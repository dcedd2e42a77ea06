"""Models that come quantized with zero points, for a target that takes none."""

from __future__ import annotations

import numpy as np
import pytest

import edgec
from edgec.ir import Array, Constant, Graph, dtypes, parse_graph
from edgec.ir.ops import Dequantize, Quantize, Relu
from edgec.kernels import run

CAME = """graph g(%x: f32[1,2,4,4]) {
  %qx = quant.quantize %x, f32[](0.05), u8[](100), to=u8
  %dx = quant.dequantize %qx, f32[](0.05), u8[](100)
  %w = quant.dequantize i8[3,2,1,1](7, -3, 5, 90, -120, 2), f32[3](0.01, 0.02, 0.03), axis=0
  %b = quant.dequantize i32[3](100, -200, 300), f32[3](0.0005, 0.001, 0.0015), axis=0
  %c = nn.conv %dx, w=%w, bias=%b
  %qc = quant.quantize %c, f32[](0.02), u8[](ZERO), to=u8
  %p = move.reshape %qc, to=[1,48]
  %y = quant.dequantize %p, f32[](0.02), u8[](ZERO)
  return y=%y
}"""


def centered(zero: int) -> tuple[Graph, Graph]:
    came = parse_graph(CAME.replace("ZERO", str(zero)))
    made = came.clone()
    edgec.optimize(made, "quantize{scheme=tensorrt}")
    return came, made


def inputs(seed: int) -> dict[str, Array]:
    return {"x": np.random.default_rng(seed).uniform(-4, 6, (1, 2, 4, 4)).astype(np.float32)}


@pytest.mark.parametrize("zero", [0, 100, 128, 255])
def test_what_is_computed_stays(zero: int) -> None:
    """Within half a step of either grid, of x behind the largest row of weights and of y."""
    came, made = centered(zero)
    [last] = [op for op in made.ops_of(Dequantize) if op.result.hint == "y"]
    assert isinstance(last.scale, Constant)
    step = float(last.scale.array)
    assert step <= 0.02 * 256 / 127
    of_x = 3.66 * (0.05 + 7.75 / 127) / 2  # 0.03 * (120 + 2), and the grid from -5 to 7.75
    allowed = of_x + (0.02 + step) / 2
    for seed in range(4):
        x = inputs(seed)
        low, high = -0.02 * zero, 0.02 * (255 - zero)
        wanted = np.clip(run(came, x)["y"], low, high)
        found = np.clip(run(made, x)["y"], low, high)
        assert np.abs(found - wanted).max() <= allowed


def test_no_zero_point_is_left_and_weights_keep_their_integers() -> None:
    _, made = centered(100)
    assert all(op.zero_point is None for op in made.ops_of(Quantize))
    assert all(op.zero_point is None for op in made.ops_of(Dequantize))
    held = [op.x for op in made.ops_of(Dequantize) if isinstance(op.x, Constant)]
    assert [weights.array.ravel().tolist() for weights in held] == [[7, -3, 5, 90, -120, 2]]
    assert {op.to for op in made.ops_of(Quantize)} == {dtypes.i8}


def test_a_grid_that_begins_at_0_was_a_relu() -> None:
    """Quantizers leave the ReLU out where the grid ends at 0."""
    came, made = centered(0)
    assert not any(came.ops_of(Relu))
    assert run(made, inputs(0))["y"].min() == 0
    assert any(made.ops_of(Relu))
    assert not any(centered(100)[1].ops_of(Relu))
