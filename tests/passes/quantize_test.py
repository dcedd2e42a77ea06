"""From ranges to integers: grids, ties, safety, and quantized models that come in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from properties.graphs import graphs, inputs_of
from quantized import between_layers, quantized, record_ranges, steps

from edgec.ir import (
    Array,
    Builder,
    Constant,
    Error,
    Graph,
    Grid,
    QuantScheme,
    Range,
    Refusal,
    Role,
    dtypes,
    register_scheme,
    scheme_named,
)
from edgec.ir.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    Dequantize,
    Div,
    MatMul,
    MaxPool,
    Mul,
    Relu,
    Reshape,
    Sigmoid,
    Sub,
    Transpose,
)
from edgec.ir.ops import Quantize as Store
from edgec.kernels import run
from edgec.lowering.schemes import FIXED_GRIDS, WEIGHTED_OPS, roles
from edgec.passes import PIPELINES, PassManager
from edgec.passes.quantize.grids import SMALLEST_SCALE, covered, grid_of, stored_at
from edgec.passes.quantize.preimages import before_activation
from edgec.passes.quantize.safety import (
    LARGEST_BIAS,
    LARGEST_SUM,
    Inputs,
    safe_scales,
    stored_weights,
    worst_sums,
)
from edgec.passes.quantize.verify import violations

SHARED = register_scheme(
    QuantScheme("test-shared", per_channel=WEIGHTED_OPS, roles=roles({}), fixed=FIXED_GRIDS)
)
SYMMETRIC = register_scheme(
    QuantScheme("test-symmetric", symmetric=True, bias=None, per_channel=WEIGHTED_OPS,
                roles=roles({}))
)  # fmt: skip
ONNX = scheme_named("onnx")
NUMBERS = st.floats(-1e6, 1e6, allow_nan=False, width=32)
TINY_TO_HUGE = st.floats(-38, 30).map(lambda exponent: float(10.0**exponent))


@given(NUMBERS, NUMBERS, st.sampled_from([SHARED, SYMMETRIC]))
def test_a_grid_covers_its_range_and_holds_zero(a: float, b: float, scheme: QuantScheme) -> None:
    found = Range(min(a, b), max(a, b))
    grid = grid_of(found, scheme)
    least, greatest = scheme.bounds
    assert least <= grid.zero_point <= greatest
    assert grid.scale >= SMALLEST_SCALE
    assert np.float32(grid.scale) == grid.scale
    offered = covered(grid, scheme)
    assert offered.low <= min(found.low, 0) + grid.scale
    assert offered.high >= max(found.high, 0) - grid.scale
    assert stored_at(grid, 0.0, scheme) == grid.zero_point


@pytest.mark.parametrize("bounds", [(0.0, 0.0), (0.0, 1e-44), (-1e-40, 1e-41), (-3e38, 3e38)])
def test_a_grid_has_a_normal_scale_whatever_the_range(bounds: tuple[float, float]) -> None:
    grid = grid_of(Range(*bounds), SHARED)
    assert SMALLEST_SCALE <= grid.scale < np.inf


@given(
    TINY_TO_HUGE, TINY_TO_HUGE, TINY_TO_HUGE, st.booleans(), st.integers(0, 255),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_weights_biases_and_sums_fit(
    x_scale: float, weight: float, bias: float, shared: bool, point: int, seed: int
) -> None:
    """From denormal to huge numbers, with dead channels: nothing leaves 32 bits."""
    rng = np.random.default_rng(seed)
    rows = (rng.normal(0, weight, (5, 40)) * rng.choice([0, 1, 1e-3], (5, 1))).astype(np.float32)
    biases = rng.normal(0, bias, (5, 1)).astype(np.float32).astype(np.float64)
    x = Inputs(max(float(np.float32(x_scale)), SMALLEST_SCALE), -point, 255 - point)
    wide = rows.astype(np.float64)
    proposed = np.abs(wide).max(axis=1) / 127
    found = safe_scales(proposed, wide, biases, x, 127, shared=shared).scales
    assert np.all(found >= SMALLEST_SCALE)
    assert np.all(found * x.scale >= SMALLEST_SCALE * (1 - 1e-6))
    assert np.all(found.astype(np.float32) == found)
    stored = stored_weights(wide, found, 127)
    added = np.abs(biases[:, 0]) / (x.scale * found)
    assert np.all(added <= LARGEST_BIAS * (1 + 1e-6))
    assert np.all(worst_sums(stored, x) + added <= LARGEST_SUM)
    assert not shared or len(set(found)) == 1


@given(st.integers(66_000, 90_000), st.sampled_from([0, 100, 255]))
def test_the_sum_of_a_very_long_row_fits(length: int, point: int) -> None:
    rows = np.ones((2, length))
    x = Inputs(0.02, -point, 255 - point)
    safe = safe_scales(np.full(2, 1 / 127), rows, None, x, 127, shared=False)
    assert np.all(worst_sums(stored_weights(rows, safe.scales, 127), x) <= LARGEST_SUM)
    assert ("sum" in safe.raised) == (127 * length * max(point, 255 - point) > LARGEST_SUM)


def dense(data: Array, bias: float, length: int) -> tuple[Graph, dict[str, Array]]:
    b = Builder("dense")
    x = b.input("x", dtypes.f32, (1, length))
    made = MatMul(x, b.const(data, dtypes.f32), b.const([bias] * data.shape[1], dtypes.f32))
    graph = b.output(y=b.add(made).result)
    inputs = {"x": np.random.default_rng(0).normal(size=(1, length)).astype(np.float32)}
    record_ranges(graph, [inputs])
    return graph, inputs


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e-4])
def test_a_bias_beside_tiny_weights_is_kept(scale: float) -> None:
    """On the weights' own scale the bias would overflow: the scale is raised, and it is said so."""
    graph, inputs = dense(np.full((16, 3), scale), 2.0, 16)
    exact = run(graph, inputs)["y"]
    report = quantized(graph, scheme="tflite")
    assert np.abs(run(graph, inputs)["y"] - exact).max() <= steps(graph)[0]
    raised = report.statistics.applied["raise weight scale for the bias"]
    assert raised == (3 if scale < 1e-6 else 0)
    assert bool(report.statistics.near_misses) == bool(raised)


def test_dead_channels_have_a_scale() -> None:
    data = np.random.default_rng(0).normal(size=(16, 4))
    data[:, 2] = 0
    graph, inputs = dense(data, 0.5, 16)
    report = quantized(graph, scheme="tflite")
    assert report.statistics.applied["give dead channels a scale"] == 1
    assert abs(run(graph, inputs)["y"][0, 2] - 0.5) <= steps(graph)[0]


ACTIVATIONS = {
    "hard_swish": ((), lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    "silu": ((1.5,), lambda x: x / (1 + np.exp(-1.5 * x))),
    "sigmoid": ((), lambda x: 1 / (1 + np.exp(-x))),
    "tanh": ((), np.tanh),
    "hard_sigmoid": ((0.2, 0.4), lambda x: np.clip(0.2 * x + 0.4, 0, 1)),
    "leaky_relu": ((0.1,), lambda x: np.where(x < 0, 0.1 * x, x)),
}


@given(st.sampled_from(sorted(ACTIVATIONS)), st.floats(-30, 30), st.floats(0.01, 40))
def test_nothing_is_lost_outside_the_range_before_an_activation(
    name: str, low: float, width: float
) -> None:
    params, function = ACTIVATIONS[name]
    x = np.linspace(low, low + width, 400)
    after = function(x)
    found = before_activation(name, params, Range(float(after.min()), float(after.max())))
    inside = np.clip(x, min(found.low, 0), max(found.high, 0))
    span = max(1.0, after.max()) if name in ("sigmoid", "tanh") else np.ptp(after)
    assert np.abs(function(inside) - after).max() <= span / 255 + 1e-6


@pytest.mark.parametrize("scheme", ["test-shared", "test-symmetric", "onnx"])
def test_what_shares_a_grid_is_tied(scheme: str) -> None:
    def middle(b: Builder, x: object) -> list[object]:
        pooled = b.add(MaxPool(x, kernel=(1, 1))).result  # type: ignore[arg-type]
        larger = b.add(Mul(x, b.const(np.full((8, 1, 1), -5), dtypes.f32))).result  # type: ignore[arg-type]
        sharp = b.add(Sigmoid(x)).result  # type: ignore[arg-type]
        return [b.add(Concat((pooled, larger, sharp), axis=1)).result]

    graph, inputs = between_layers(middle)  # type: ignore[arg-type]
    exact = run(graph, inputs)["y0"]
    quantized(graph, scheme=scheme)
    assert not list(violations(graph, scheme_named(scheme)))
    (concat,) = graph.ops_of(Concat)
    grids = {
        (float(part.producer.scale.array), part.producer.zero_point.array.item())  # type: ignore[union-attr]
        for part in concat.xs
    }
    assert len(grids) == (3 if scheme == "onnx" else 1)
    assert np.abs(run(graph, inputs)["y0"] - exact).max() <= 2 * steps(graph)[0]


def test_symmetric_targets_have_zero_points_of_zero_and_keep_their_relu() -> None:
    graph, _ = between_layers(lambda b, x: [b.add(Sigmoid(b.add(Relu(x)).result)).result])
    quantized(graph, scheme="test-symmetric")
    points = [op.zero_point for op in graph.ops_of(Store)]
    assert all(isinstance(point, Constant) and not point.array.any() for point in points)
    assert len(list(graph.ops_of(Relu))) == 1
    assert all(isinstance(op.bias, Constant) for op in graph.ops_of(Conv))


def test_a_relu_is_dropped_only_where_the_integers_stop_with_it() -> None:
    graph, _ = between_layers(lambda b, x: [b.add(Relu(x)).result])
    quantized(graph, scheme="test-shared")
    assert not list(graph.ops_of(Relu))
    b = Builder("given")
    x = b.input("x", dtypes.f32, (1, 2, 4, 4))
    y = b.add(Relu(b.add(Conv(b_read(b, x), b.const(np.ones((2, 2, 1, 1)), dtypes.f32))).result))
    graph = b.output(y=b_read(b, y.result))
    other = graph.clone()
    quantized(graph, scheme="test-shared")
    assert len(list(graph.ops_of(Relu))) == 1
    report = quantized(other)
    assert report.statistics.applied["separate clamp"] == 1
    assert [type(use) for op in other.ops_of(Conv) for use in op.result.users] == [Store]
    inputs = {"x": np.random.default_rng(0).normal(size=(1, 2, 4, 4)).astype(np.float32)}
    assert np.array_equal(run(other, inputs)["y"], run(graph, inputs)["y"])


def b_read(b: Builder, x: object, point: int = 10) -> object:
    """The value, stored on a grid around ``point`` and read back."""
    scale, zero_point = b.const(np.float32(0.05)), b.const(np.int8(point))
    stored = b.add(Store(x, scale, zero_point, to=dtypes.i8)).result  # type: ignore[arg-type]
    return b.add(Dequantize(stored, scale, zero_point)).result


def test_what_stays_float_is_said() -> None:
    graph, inputs = between_layers(
        lambda b, x: [b.add(Sub(x, b.add(Add(x, x)).result)).result, b.add(Div(x, x)).result]
    )
    report = quantized(graph)
    reasons = {reason for _, reason in report.statistics.near_misses}
    assert any("Sub" in reason or "integer operator" in reason for reason in reasons)
    assert "onnx has no math.div on integers" in reasons
    assert run(graph, inputs)["y0"].shape == (1, 8, 8, 8)


def test_named_layers_stay_float() -> None:
    graph, _ = between_layers(lambda b, x: [b.add(MaxPool(x, kernel=(2, 2))).result])
    report = quantized(graph, keep="first|nothing")
    assert not list(graph.ops_of(Store))
    assert report.statistics.near_misses["quantize", "it is kept in floats on request"] == 1


def test_without_ranges_nothing_is_quantized() -> None:
    graph, _ = between_layers(lambda b, x: [x])
    for value in (*graph.inputs, *(result for op in graph.ops for result in op.results)):
        value.range = None
    report = quantized(graph)
    assert not list(graph.ops_of(Store))
    assert {reason for _, reason in report.statistics.near_misses} == {
        "no range was recorded for %x"
    }


def test_wrong_options_are_refused_with_the_right_ones() -> None:
    with pytest.raises(Error, match="per_channel"):
        quantized(Builder("empty").output(), weights="per_row")
    with pytest.raises(Error, match="there is no quantization scheme 'tpu'"):
        quantized(Builder("empty").output(), scheme="tpu")


@pytest.mark.parametrize("weights", ["per_channel", "per_tensor"])
@pytest.mark.parametrize("method", ["minmax", "mse"])
def test_weights_are_symmetric_and_as_fine_as_asked(weights: str, method: str) -> None:
    graph, _ = between_layers(lambda b, x: [x])
    quantized(graph, weights=weights, method=method)
    (conv,) = graph.ops_of(Conv)
    read = conv.w.producer
    assert isinstance(read, Dequantize)
    assert isinstance(read.x, Constant)
    assert read.x.array.dtype == np.int8
    assert int(np.abs(read.x.array.astype(int)).max()) == 127
    assert read.scale.type.dims == ((8,) if weights == "per_channel" else ())


# -- quantized models that come in -----------------------------------------------------------


def trained(stored: dtypes.DType, point: int) -> tuple[Graph, dict[str, Array]]:
    """As quantization-aware training leaves a model: float weights before their own pair."""
    rng = np.random.default_rng(3)
    b = Builder("trained")

    def pair(x: object, scale: object, zero_point: object, to: dtypes.DType, axis: int) -> object:
        held = b.add(Store(x, scale, zero_point, to=to, axis=axis)).result  # type: ignore[arg-type]
        return b.add(Dequantize(held, scale, zero_point, axis=axis)).result  # type: ignore[arg-type]

    def stage(x: object, scale: float) -> object:
        return pair(x, b.const(np.float32(scale)), b.const(point, stored), stored, 1)

    x = b.input("x", dtypes.f32, (1, 4, 6, 6))
    w = b.const(rng.normal(0, 0.4, (5, 4, 3, 3)), dtypes.f32)
    scales = b.const(rng.uniform(0.005, 0.01, 5), dtypes.f32)
    weights = pair(w, scales, b.const(np.zeros(5), dtypes.i8), dtypes.i8, 0)
    y = b.add(Conv(stage(x, 0.03), weights, b.const(rng.normal(size=5), dtypes.f32))).result  # type: ignore[arg-type]
    pooled = b.add(AvgPool(stage(y, 0.11), kernel=(2, 2))).result  # type: ignore[arg-type]
    graph = b.output(y=stage(pooled, 0.11))  # type: ignore[arg-type]
    return graph, {"x": rng.normal(size=(1, 4, 6, 6)).astype(np.float32)}


@pytest.mark.parametrize(("stored", "point"), [(dtypes.u8, 117), (dtypes.i8, -11)])
@pytest.mark.parametrize("scheme", ["onnx", "test-shared"])
def test_trained_scales_are_kept_for_every_target(
    stored: dtypes.DType, point: int, scheme: str
) -> None:
    graph, inputs = trained(stored, point)
    exact = run(graph, inputs)["y"]
    PassManager(PIPELINES["O2"].passes()).run(graph)
    assert np.array_equal(run(graph, inputs)["y"], exact)
    (conv,) = graph.ops_of(Conv)
    assert isinstance(conv.w.producer, Dequantize), "integer weights survive folding"
    assert isinstance(conv.w.producer.x, Constant)
    quantized(graph, scheme=scheme)
    wanted = scheme_named(scheme).activation
    points = {op.zero_point.array.item() for op in graph.ops_of(Store)}  # type: ignore[union-attr]
    assert points == {117 if wanted is dtypes.u8 else -11}
    scales = {float(op.scale.array) for op in graph.ops_of(Store)}  # type: ignore[attr-defined]
    assert scales == {float(np.float32(0.03)), float(np.float32(0.11))}
    assert np.abs(run(graph, inputs)["y"] - exact).max() <= 1.01 * 0.11
    assert np.mean(run(graph, inputs)["y"] == exact) > 0.9


def test_batch_norm_does_not_go_into_integer_weights() -> None:
    graph, _ = between_layers(lambda b, x: [x])
    quantized(graph)
    b = Builder("around")
    x = b.input("x", dtypes.f32, (1, 4, 8, 8))
    held = b.const(np.ones((8, 4, 1, 1)), dtypes.i8)
    weights = b.add(Dequantize(held, b.const(np.float32(0.01)))).result
    vectors = [b.const(np.full(8, k + 1), dtypes.f32) for k in range(4)]
    y = b.add(BatchNorm(b.add(Conv(x, weights)).result, *vectors)).result
    graph = b.output(y=y)
    PassManager(PIPELINES["O2"].passes()).run(graph)
    assert len(list(graph.ops_of(BatchNorm))) == 1
    assert any(value.type.dtype is dtypes.i8 for value in graph.constants)


def test_moved_integers_are_moved_reals() -> None:
    """As onnxruntime's quantizer writes pools and copies in QOperator form."""
    b = Builder("moved")
    x = b.input("x", dtypes.f32, (1, 2, 4, 4))
    scale, point = b.const(np.float32(0.05)), b.const(np.uint8(100))
    stored = b.add(Store(x, scale, point, to=dtypes.u8)).result
    pooled = b.add(MaxPool(stored, kernel=(2, 2))).result
    read = b.add(Dequantize(pooled, scale, point)).result
    y = b.add(Conv(read, b.const(np.ones((2, 2, 1, 1)), dtypes.f32))).result
    graph = b.output(y=y)
    inputs = {"x": np.random.default_rng(0).normal(size=(1, 2, 4, 4)).astype(np.float32)}
    record_ranges(graph, [inputs])
    exact = run(graph, inputs)["y"]
    quantized(graph, scheme="test-shared")
    assert all(op.x.type.dtype is dtypes.f32 for op in graph.ops_of(MaxPool))
    assert np.abs(run(graph, inputs)["y"] - exact).max() <= 2 * steps(graph)[0]


def test_weights_are_stored_as_they_are_read() -> None:
    """As PyTorch exports a quantized linear layer: stored, read, transposed."""
    rng = np.random.default_rng(0)
    b = Builder("linear")
    x = b.input("x", dtypes.f32, (3, 6))
    held = b.const(rng.integers(-127, 128, (5, 6)), dtypes.i8)
    scales = b.const(rng.uniform(0.01, 0.02, 5), dtypes.f32)
    weights = b.add(Dequantize(held, scales, axis=0)).result
    turned = b.add(Transpose(weights, perm=(1, 0))).result
    bias = b.const(rng.normal(size=5), dtypes.f32)
    first = b.add(MatMul(x, turned, bias)).result
    pixels = b.add(Reshape(x, to=(3, 6, 1, 1))).result
    pointwise = b.add(Conv(pixels, b.add(Reshape(weights, to=(5, 6, 1, 1))).result)).result
    graph = b.output(y=first, z=pointwise)
    inputs = {"x": rng.normal(size=(3, 6)).astype(np.float32)}
    record_ranges(graph, [inputs])
    exact = run(graph, inputs)["y"]
    quantized(graph)
    assert not list(graph.ops_of(Transpose))
    [read] = [op for op in graph.ops_of(MatMul) if isinstance(op.a.producer, Dequantize)]
    step = read.a.producer.scale.array.item()
    bound = (6 * 127 * 0.02 + 0.02) * step / 2  # half a step of each input, half of the bias's
    assert np.abs(run(graph, inputs)["y"] - exact).max() <= bound
    (conv,) = graph.ops_of(Conv)
    assert isinstance(conv.w.producer, Dequantize)
    (layer,) = graph.ops_of(MatMul)
    assert isinstance(layer.b.producer, Dequantize)
    assert isinstance(layer.bias, type(layer.b)), "the bias is stored, too"
    assert np.array_equal(layer.b.producer.x.array, held.array.T)  # type: ignore[attr-defined]


@settings(max_examples=40)
@given(graphs(), st.sampled_from(["onnx", "onnx-s8", "test-shared", "test-symmetric"]))
def test_any_graph_goes_to_integers_and_stays_there(graph: Graph, scheme: str) -> None:
    """The result is sound (the pass checks it), runs, and keeps its numbers in O2."""
    inputs = inputs_of(graph)
    record_ranges(graph, [inputs])
    quantized(graph, scheme=scheme)
    stored = [v.weight.digest for v in graph.constants if v.type.dtype is dtypes.i8]
    found = run(graph, inputs)
    PassManager(PIPELINES["O2"].passes()).run(graph)
    kept = {v.weight.digest for v in graph.constants if v.type.dtype is dtypes.i8}
    assert kept.issuperset(stored)
    for name, array in run(graph, inputs).items():
        assert np.allclose(array, found[name], rtol=1e-5, atol=1e-5 * np.abs(found[name]).max())


def test_scales_of_zero_are_repaired() -> None:
    b = Builder("dead")
    x = b.input("x", dtypes.f32, (1, 2, 4, 4))
    held = b.const(np.full((3, 2, 1, 1), 7), dtypes.i8)
    scales = b.const(np.asarray([0.01, 0.0, 1e-41]), dtypes.f32)
    weights = b.add(Dequantize(held, scales, axis=0)).result
    graph = b.output(y=b.add(Conv(x, weights)).result)
    inputs = {"x": np.ones((1, 2, 4, 4), np.float32)}
    record_ranges(graph, [inputs])
    exact = run(graph, inputs)["y"]
    report = quantized(graph)
    assert report.statistics.applied["repair scale"] == 1
    assert np.abs(run(graph, inputs)["y"] - exact).max() <= steps(graph)[0]


def test_the_verifier_sees_what_integers_cannot_hold() -> None:
    def findings(bias: int, bias_scale: float, scale: float = 0.01) -> list[str]:
        b = Builder("wrong")
        x = b.input("x", dtypes.f32, (1, 2, 4, 4))
        step, point = b.const(np.float32(0.1)), b.const(np.uint8(3))
        read = b.add(Dequantize(b.add(Store(x, step, point, to=dtypes.u8)).result, step, point))
        held = b.const(np.full((1, 2, 1, 1), 100), dtypes.i8)
        weights = b.add(Dequantize(held, b.const(np.float32(scale)))).result
        stored = b.const([bias], dtypes.i32)
        added = b.add(Dequantize(stored, b.const([bias_scale], dtypes.f32), axis=0)).result
        graph = b.output(y=b.add(Conv(read.result, weights, added)).result)
        return [finding.message for finding in violations(graph, ONNX)]

    assert not findings(1000, 0.001)
    assert findings(2**30 + 2**20, 0.001) == ["the bias leaves no room in 32 bits for the sum"]
    assert findings(1000, 0.002) == ["the bias has another scale than the sum that it is added to"]
    assert findings(0, 1e-42, 1e-41)[0] == "a scale is no positive, finite, normal float32"


def test_every_role_is_a_role_or_a_reason() -> None:
    assert Grid(0.5, 3) == Grid(0.5, 3)
    graph, _ = between_layers(lambda b, x: [b.add(MaxPool(x, kernel=(2, 2), indices=True)).result])
    (pool,) = graph.ops_of(MaxPool)
    found = SHARED.role(pool)
    assert isinstance(found, Refusal)
    assert "positions" in found.why
    (conv,) = graph.ops_of(Conv)
    assert SHARED.role(conv) is Role.WEIGHTED
