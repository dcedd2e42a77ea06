"""16-bit floats and integer weights: what is converted, what is left, and how far off it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import edgec
from edgec.ir import (
    Array,
    Constant,
    Effect,
    Error,
    Graph,
    Op,
    Return,
    dtypes,
    op_classes,
    parse_graph,
    sample_graph,
    verify,
)
from edgec.ir import ops as _all_ops
from edgec.kernels import run
from edgec.passes.precision import grids

CLASSES = [cls for cls in op_classes().values() if cls is not Return and not cls.has(Effect)]
WEIGHTS = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=4, max_side=9),
    elements=st.floats(-4, 4, width=32),
)


def optimized(text: str, pipeline: str) -> tuple[Graph, Graph]:
    before = parse_graph(text)
    after = before.clone()
    edgec.optimize(after, pipeline)
    verify(after)
    return before, after


def relative(actual: Array, expected: Array) -> float:
    difference = actual.astype(np.float64) - expected.astype(np.float64)
    return float(np.linalg.norm(difference) / np.linalg.norm(expected))


# -- fp16 and bf16 ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fp16", "bf16"])
@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.op_name)
def test_every_op_has_a_form_or_stays(cls: type[Op], name: str) -> None:
    for seed in range(4):
        graph, _ = sample_graph(cls, seed)
        before = [value.type for value in (*graph.inputs, *graph.outputs)]
        edgec.optimize(graph, name)
        verify(graph)
        assert [value.type for value in (*graph.inputs, *graph.outputs)] == before


def test_a_chain_is_converted_once_at_each_end() -> None:
    _, after = optimized(
        """graph g(%x: f32[1,4]) {
          %a = linalg.matmul %x, @w[4,4]
          %b = act.relu %a
          return y=%b
        }""",
        "fp16",
    )
    assert [op.op_name for op in after.ops] == [
        "math.cast", "linalg.matmul", "act.relu", "math.cast",
    ]  # fmt: skip
    assert after.outputs[0].type.dtype is dtypes.f32


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("%y = math.exp %x", "intermediate sums leave the range"),
        ("%y = math.mul %x, f32[1](70000.0)", "a constant is 7e+04"),
        ("%y = math.add %x, f32[1](1e-12)", "a constant of 1e-12 is 0 in float16"),
        ("%y = math.neg %x : f32[1,4] in(-40000.0,1.0)", "%y reaches 4e+04"),
        ("%e = math.exp %x %y = math.mul %e, %x", "range is not known: calibrate first"),
        ("%y = quant.dequantize i8[4](1,2,3,4), scale=f32[](0.5)", "converts between types"),
    ],
)
def test_what_would_overflow_stays_in_float32(body: str, reason: str) -> None:
    graph = parse_graph(f"graph g(%x: f32[1,4]) {{ {body} return y=%y }}")
    (report,) = edgec.optimize(graph, "fp16")
    assert any(reason in found for _, found in report.statistics.near_misses), report.statistics
    producer = graph.outputs[0].producer
    assert producer is not None
    assert producer.op_name != "math.cast"


def test_a_known_range_lets_an_exponential_go_on_in_float16() -> None:
    _, after = optimized(
        """graph g(%x: f32[1,4] in(-1.0,1.0)) {
          %e = math.exp %x : f32[1,4] in(0.3,2.8)
          %y = math.mul %e, %x : f32[1,4] in(-0.4,2.8)
          return y=%y
        }""",
        "fp16",
    )
    kinds = {op.op_name: op.results[0].type.dtype for op in after.ops if op.op_name != "math.cast"}
    assert kinds == {"math.exp": dtypes.f32, "math.mul": dtypes.f16}


@pytest.mark.parametrize(("name", "bound"), [("fp16", 1e-2), ("bf16", 1e-1)])
def test_the_digits_model_keeps_its_outputs(
    digits: Path, digits_test: Path, name: str, bound: float
) -> None:
    graph = edgec.load(digits)
    narrow = graph.clone()
    edgec.optimize(narrow, f"O2,{name}")
    x = digits_inputs(digits_test, 32)
    expected, actual = (run(one, {graph.input_names[0]: x}) for one in (graph, narrow))
    for key, value in expected.items():
        assert 0 < relative(actual[key], value) < bound


def digits_inputs(path: Path, count: int) -> Array:
    with np.load(path) as arrays:
        images: Any = arrays["x"][:count]
    return ((images[:, None] / 255 - 0.1307) / 0.3081).astype(np.float32)


# -- weights ---------------------------------------------------------------------------------------


@given(WEIGHTS, st.sampled_from([4, 8]), st.data())
def test_no_weight_is_off_by_more_than_half_a_step_inside_the_grid(
    weights: Array, bits: int, data: st.DataObject
) -> None:
    axis = data.draw(st.integers(0, weights.ndim - 1))
    block = data.draw(st.integers(0, 4)) if bits == 4 else 0
    grid = grids.fitted(weights, bits, axis, block)
    step = grids.spread_scale(grid.scale, weights.shape, axis, block)
    top = grids.largest(bits)
    assert (grid.scale > 0).all()
    assert (np.abs(grid.stored.astype(int)) <= top).all()
    inside = np.abs(weights) <= step * top
    off = np.abs(grid.real() - weights)
    assert (off[inside] <= (0.5 + 2**-16) * np.broadcast_to(step, weights.shape)[inside]).all()


@given(WEIGHTS)
def test_four_bits_are_no_worse_than_a_grid_that_ends_at_the_largest(weights: Array) -> None:
    axis = 0
    peak = np.abs(weights).max(axis=tuple(range(1, weights.ndim)))
    plain = np.where(peak > 0, peak, 1).astype(np.float32) / np.float32(7)
    plain = np.maximum(plain, np.finfo(np.float32).tiny)  # a seventh of a denormal number may be 0
    stored = grids.rounded(weights, plain, 4, axis)
    simple = stored.astype(np.float32) * grids.spread_scale(plain, weights.shape, axis, 0) - weights
    better = grids.fitted(weights, 4, axis).real() - weights
    assert float((better**2).sum()) <= float((simple**2).sum()) * (1 + 1e-5) + 1e-12


@pytest.mark.parametrize(
    ("body", "bits", "scale"),
    [
        ("%y = linalg.matmul %x, @w[64,48]", 8, (48,)),
        ("%y = linalg.matmul %x, @w[48,64], transpose_b=true", 8, (48,)),
        ("%y = linalg.matmul %x, @w[64,48]", 4, (2, 48)),
        ("%y = linalg.matmul %x, @w[48,64], transpose_b=true", 4, (48, 2)),
    ],
)
def test_where_the_scales_run(body: str, bits: int, scale: tuple[int, ...]) -> None:
    text = f"graph g(%x: f32[3,64]) {{ {body} return y=%y }}"
    before, after = optimized(text, f"weights{{bits={bits}}}")
    (stored,) = after.ops_of(_all_ops.Dequantize)
    assert stored.scale.type.dims == scale
    assert isinstance(stored.x, Constant)
    assert stored.x.type.dtype is grids.stored_in(bits)
    x = {"x": np.random.default_rng(0).standard_normal((3, 64)).astype(np.float32)}
    step = 2.0 / (2**bits - 2)  # of weights within ±1: uniform rounding is off by step / sqrt(12)
    assert relative(run(after, x)["y"], run(before, x)["y"]) < step


@pytest.mark.parametrize("options", ["bits=5", "bits=8,group=32", "bits=4,group=-1"])
def test_what_no_runtime_has_is_refused(options: str) -> None:
    with pytest.raises(Error, match="is none"):
        edgec.optimize(parse_graph("graph g(%x: f32[1]) { return y=%x }"), f"weights{{{options}}}")


@pytest.mark.parametrize(
    "pipeline", ["O2,fp16,cleanup", "O2,weights{bits=8}", "O2,weights{bits=4}"]
)
def test_onnxruntime_runs_what_comes_out(
    digits: Path, digits_test: Path, tmp_path: Path, pipeline: str
) -> None:
    pytest.importorskip("onnxruntime", reason="it is what runs the artifact")
    from edgec.lowering.onnx import OnnxRunner, write_onnx

    graph = edgec.load(digits)
    edgec.optimize(graph, pipeline)
    path = tmp_path / "m.onnx"
    write_onnx(graph, path)
    name = graph.input_names[0]
    x = digits_inputs(digits_test, 16)
    expected = run(graph, {name: x})
    for key, found in OnnxRunner(path).run({name: x}).items():
        # It computes float16 in float32, rounding less often than the reference does; before a
        # product with integer weights it rounds activations to 8 bits, by 1 in 254 at most.
        assert relative(found, expected[key]) < 1e-2
    assert path.stat().st_size < 0.95 * digits.stat().st_size
