"""Repairing quantized layers from data: the algebra, and that it helps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import edgec
from edgec.ir import (
    Array,
    Builder,
    Constant,
    Error,
    Graph,
    Rewriter,
    Sampler,
    dtypes,
    parse_graph,
)
from edgec.ir.ops import Add, Conv, HardSwish, Quantize
from edgec.kernels import Executor, InMemory, Stepwise, run, seeded_inputs
from edgec.passes import Settings
from edgec.passes.quality.rounding import loss, rounded
from edgec.passes.reconstruct import Moments, bare, gather, outputs_at, patches_at, rows_of, unrows
from edgec.passes.reconstruct.patches import is_supported, places

# -- layers as matrix products --------------------------------------------------------------------


@given(st.integers(0, 10_000))
def test_a_convolution_is_the_product_of_its_rows_and_patches(seed: int) -> None:
    op = Conv.samples(Sampler(seed))
    assert isinstance(op, Conv)
    assume(is_supported(op) and op.x.type.dtype.name == "f32")
    rng = np.random.default_rng(seed)
    x, w = (rng.standard_normal(v.type.static_dims or ()).astype(np.float32) for v in (op.x, op.w))
    b = Builder()
    x_value, w_value = b.add_input("x", op.x.type), b.add_input("w", op.w.type)
    plain = bare(op.copy(x=x_value, w=w_value, bias=None))
    result = run(b.output(y=b.add(plain).result), {"x": x, "w": w})["y"]
    at = np.arange(places(op, result))
    rows = rows_of(op, w)
    assert np.array_equal(unrows(op, rows, w.shape), w)
    found = np.einsum("gok,pgk->pgo", rows, patches_at(op, x, at))
    assert np.allclose(found, outputs_at(op, result, at), rtol=1e-4, atol=1e-4)


def test_least_squares_finds_the_weights_that_made_the_outputs() -> None:
    rng = np.random.default_rng(0)
    weights, offset = rng.standard_normal((2, 3, 5)), rng.standard_normal((2, 3))
    moments = Moments(2, 5, 3)
    for _ in range(4):
        x = rng.standard_normal((50, 2, 5)) + 3
        moments.add(x, np.einsum("gok,pgk->pgo", weights, x) + offset)
    found, _ = moments.fitted(np.zeros_like(weights), damping=1e-12)
    assert np.allclose(found, weights, atol=1e-8)
    assert np.allclose(moments.offset(found), offset, atol=1e-7)


def test_what_the_data_do_not_show_keeps_its_weights() -> None:
    rng = np.random.default_rng(1)
    weights = rng.standard_normal((1, 2, 4))
    x = rng.standard_normal((100, 1, 4))
    x[:, :, 2] = 7.0  # never varies: the bias explains it
    moments = Moments(1, 4, 2)
    moments.add(x, rng.standard_normal((100, 1, 2)))
    found, _ = moments.fitted(weights, damping=1e-6)
    assert np.allclose(found[:, :, 2], weights[:, :, 2])


@given(
    hnp.arrays(np.float64, (2, 3, 5), elements=st.floats(-20, 20)),
    hnp.arrays(np.float64, (2, 5, 7), elements=st.floats(-2, 2)),
    st.sampled_from([(1, 1, 1), (2, 3, 1), (2, 3, 5)]),
)
def test_learned_rounding_is_no_worse_than_the_nearest(
    target: Array, x: Array, shape: tuple[int, ...]
) -> None:
    inputs = np.matmul(x, x.transpose(0, 2, 1)) + 0.01 * np.eye(5)
    step = np.random.default_rng(0).uniform(0.5, 2, shape)
    found = rounded(target, inputs, step, 16)
    assert np.array_equal(found, np.rint(found))
    assert np.abs(found).max() <= 16
    nearest = np.clip(np.rint(target / step), -16, 16)
    # The descent starts from another point: it may end a little above the nearest.
    before, after = (loss(z, target, inputs, step).sum() for z in (nearest, found))
    assert after <= 1.5 * before + 1e-9


# -- on a real model ------------------------------------------------------------------------------


def _images(path: Path, begin: int, end: int) -> Array:
    with np.load(path) as arrays:
        images: Any = arrays["x"][begin:end]
    return ((images[:, None] / 255 - 0.1307) / 0.3081).astype(np.float32)


def _quantized(model: Path, images: Path, passes: str) -> tuple[Graph, float]:
    """The quantized model, and its SQNR in dB on images that it was not calibrated on."""
    graph = edgec.load(model)
    name = graph.input_names[0]
    x = _images(images, 0, 32)
    data = InMemory([{name: x[i : i + 1]} for i in range(32)], "digits")
    made = graph.clone()
    edgec.optimize(made, f"O2,calibrate,quantize{passes}", Settings(data=data))
    test = {name: _images(images, 100, 164)}
    (expected,), (actual,) = (list(Executor(g).run(test).values()) for g in (graph, made))
    noise = float(np.square(actual - expected).sum())
    return made, 10 * np.log10(float(np.square(expected).sum()) / noise)


def test_each_repair_brings_the_digits_nearer(digits: Path, digits_test: Path) -> None:
    _, plain = _quantized(digits, digits_test, "")
    _, corrected = _quantized(digits, digits_test, ",bias-correct")
    _, learned = _quantized(digits, digits_test, ",adaround")
    assert corrected > plain
    assert learned > plain


def test_the_repaired_graph_has_the_same_ops(digits: Path, digits_test: Path) -> None:
    plain, _ = _quantized(digits, digits_test, "")
    learned, _ = _quantized(digits, digits_test, ",adaround")
    assert [op.op_name for op in learned.ops] == [op.op_name for op in plain.ops]


@pytest.mark.parametrize("name", ["bias-correct", "adaround"])
def test_without_a_float_model_there_is_nothing_to_compare_with(name: str) -> None:
    graph = parse_graph("graph g(%x: f32[1,4]) { return y=%x }")
    with pytest.raises(Error, match="there is none at hand"):
        edgec.optimize(graph, name)


# -- mixed precision ------------------------------------------------------------------------------


def test_mixed_precision_keeps_as_many_layers_float_as_the_goal_takes(
    digits: Path, digits_test: Path
) -> None:
    graph = edgec.load(digits)
    name = graph.input_names[0]
    x = _images(digits_test, 0, 8)
    data = InMemory([{name: x[i : i + 1]} for i in range(8)], "digits")
    kept = []
    for goal in (10, 42, 90):
        made = graph.clone()
        pipeline = f"O2,calibrate,mixed{{budget={goal}dB}}"
        reports = edgec.optimize(made, pipeline, Settings(data=data))
        kept.append(sum("float" in rule for rule in reports[-1].statistics.applied))
    assert kept[0] == 0 < kept[1] < kept[2]


def test_a_score_decides_where_there_is_one(digits: Path, digits_test: Path) -> None:
    graph = edgec.load(digits)
    name = graph.input_names[0]
    x = _images(digits_test, 0, 4)
    data = InMemory([{name: x[i : i + 1]} for i in range(4)], "digits")

    def score(judged: Graph) -> float:
        """Falls by a point for each integer layer beyond the third."""
        layers = sum(op.op_name == "quant.dequantize" for op in judged.ops)
        return 100.0 - layers

    settings = Settings(data=data, score=score)
    strict, loose = graph.clone(), graph.clone()
    edgec.optimize(strict, "O2,calibrate,mixed{budget=10%}", settings)
    edgec.optimize(loose, "O2,calibrate,mixed{budget=100%}", settings)
    assert score(strict) >= 90 > score(loose)


def mixed(graph: Graph, budget: str) -> tuple[Graph, int]:
    """The graph under a budget, and the number of layers that stay float."""
    made = graph.clone()
    data = InMemory([seeded_inputs(graph)], "random")
    reports = edgec.optimize(made, f"O2,calibrate,mixed{{budget={budget}}}", Settings(data=data))
    return made, sum("float" in rule for rule in reports[-1].statistics.applied)


def test_bytes_keep_as_many_layers_float_as_they_allow(digits: Path) -> None:
    graph = edgec.load(digits)
    kept = []
    for limit in (70, 100, 1000):
        made, layers = mixed(graph, f"{limit}kB")
        assert sum(constant.type.nbytes() for constant in made.constants) <= limit * 1000
        kept.append(layers)
    assert 0 < kept[0] < kept[1] < kept[2]


def test_milliseconds_keep_as_many_layers_float_as_they_allow(digits: Path) -> None:
    graph = edgec.load(digits, input_shapes={"input": (1, 1, 28, 28)})
    kept = [mixed(graph, f"{us}us,device=raspberry-pi-5")[1] for us in (30, 50, 1000)]
    assert 0 < kept[0] < kept[1] < kept[2]


def test_with_every_layer_in_float_nothing_is_stored() -> None:
    """Neither what stands between layers, nor what an activation is made of."""
    rng = np.random.default_rng(0)
    b = Builder("g")
    x = b.input("x", dtypes.f32, (1, 4, 8, 8))
    weights = b.const(rng.standard_normal((4, 4, 3, 3)), dtypes.f32)
    first = b.add(Conv(x, weights, pads=(1,) * 4, act="hard_swish")).result
    second = b.add(Conv(first, weights, pads=(1,) * 4)).result
    graph = b.output(y=b.add(HardSwish(b.add(Add(first, second)).result)).result)
    made, layers = mixed(graph, "200dB")
    assert layers == 2
    assert not any(made.ops_of(Quantize))
    assert any(mixed(graph, "5dB")[0].ops_of(Quantize))


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ("1kB", "takes 63kB, more than the budget of 1kB"),
        ("1us,device=raspberry-pi-5", "more than the budget of 1us"),
        ("3ms", "a latency on no device"),
        ("3ms,device=abacus", "there is no device 'abacus'"),
        ("0.5%", "of a score, and no score is at hand"),
        ("5 apples", "'5 apples' is no budget"),
    ],
)
def test_budgets_that_cannot_be_met(digits: Path, budget: str, words: str) -> None:
    with pytest.raises(Error, match=words):
        mixed(edgec.load(digits, input_shapes={"input": (1, 1, 28, 28)}), budget)


# -- equalization ---------------------------------------------------------------------------------

CHAINS = {
    "depthwise": """
      %a = nn.conv %x, w=@w1[6,3,3,3], bias=@b1[6], act="relu"
      %b = nn.conv %a, w=@w2[6,1,3,3], bias=@b2[6], groups=6, act="relu"
      %y = nn.conv %b, w=@w3[4,6,1,1]""",
    "grouped, read twice": """
      %a = nn.conv %x, w=@w1[6,3,3,3], act="leaky_relu", act_params=[0.1]
      %b = nn.conv %a, w=@w2[4,3,3,3], groups=2
      %c = nn.conv %a, w=@w3[4,6,3,3]
      %y = math.add %b, %c""",
    "clipped": """
      %a = nn.conv %x, w=@w1[6,3,3,3], act="clip", act_params=[0.0,0.5]
      %b = nn.conv %a, w=@w2[6,1,3,3], groups=6, act="clip", act_params=[0.0,6.0]
      %y = nn.conv %b, w=@w3[4,6,1,1]""",
    "matmuls": """
      %r = move.reshape %x, to=[3,81]
      %a = linalg.matmul %r, @w1[81,5], bias=@b1[5], act="relu"
      %y = linalg.matmul %a, @w2[7,5], transpose_b=true""",
}


@pytest.mark.parametrize("data", [False, True], ids=["weights alone", "with data"])
@pytest.mark.parametrize("chain", CHAINS)
def test_equalized_layers_compute_the_same(chain: str, data: bool) -> None:
    graph = parse_graph(f"graph g(%x: f32[1,3,9,9]) {{ {CHAINS[chain]} return y=%y }}")
    samples = InMemory([seeded_inputs(graph, seed=seed) for seed in range(3)], "random")
    settings = Settings(check_numerics=True, data=samples if data else None)
    (report,) = edgec.optimize(graph, "equalize", settings)
    assert report.changed
    assert sum(report.statistics.applied.values()) >= 1


def test_equalized_channels_reach_the_same() -> None:
    graph = parse_graph(f"graph g(%x: f32[1,3,9,9]) {{ {CHAINS['depthwise']} return y=%y }}")
    first = next(graph.ops_of(Conv))
    weights = first.operands[1]
    assert isinstance(weights, Constant)
    uneven = weights.array * np.array([1, 4, 1, 3, 1, 2], np.float32).reshape(-1, 1, 1, 1)
    Rewriter(graph).set_operand(first, 1, Constant(uneven))
    samples = InMemory([seeded_inputs(graph)], "random")
    before, after = [], []
    for found in (before, after):
        Executor(graph).run(
            seeded_inputs(graph),
            tap=lambda op, r, f=found: f.append(np.abs(r[0]).max(axis=(0, 2, 3))),  # type: ignore[misc]
        )
        edgec.optimize(graph, "equalize", Settings(data=samples))
    assert after[0].max() / after[0].min() < 1.01 < before[0].max() / before[0].min()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("%y = nn.conv %a, w=@v[4,6,1,1] %z = act.relu %a", "not read by layers alone"),
        ("%y = linalg.matmul %a, @v[7,5]", "channels are not those"),
        ("%y = nn.conv %a, w=@v[4,6,1,1]", "sigmoid passes on no factors"),
        ("%y = nn.conv %a, w=@v[4,6,1,1]", "may reach the bound of its clip"),
    ],
)
def test_what_cannot_be_scaled_says_why(body: str, reason: str) -> None:
    act = 'act="sigmoid"' if "sigmoid" in reason else 'act="clip", act_params=[0.0,6.0]'
    act = act if "sigmoid" in reason or "bound" in reason else 'act="relu"'
    outputs = "y=%y, z=%z" if "%z" in body else "y=%y"
    graph = parse_graph(
        f"graph g(%x: f32[1,3,9,9]) {{ %a = nn.conv %x, w=@w[6,3,3,3], {act} {body} "
        f"return {outputs} }}"
    )
    (report,) = edgec.optimize(graph, "equalize")
    assert not report.changed
    assert any(reason in found for _, found in report.statistics.near_misses)


def test_smoothing_hands_outliers_to_the_weights() -> None:
    graph = parse_graph("""graph g(%x: f32[1,5,8]) {
      %n = norm.layer_norm %x, gamma=@g[8], beta=@b[8], axis=2
      %q = linalg.matmul %n, @wq[8,6]
      %k = linalg.matmul %n, @wk[6,8], transpose_b=true
      %y = math.add %q, %k
      return y=%y
    }""")
    norm = next(op for op in graph.ops if op.op_name == "norm.layer_norm")
    gamma = np.array([1, 1, 50, 1, 1, 1, 1, 1], np.float32)
    Rewriter(graph).set_operand(norm, 1, Constant(gamma))
    data = InMemory([seeded_inputs(graph, seed=seed) for seed in range(4)], "random")

    def unevenness() -> float:
        peaks: list[Array] = []
        Executor(graph).run(
            seeded_inputs(graph),
            tap=lambda op, r: peaks.append(np.abs(r[0]).max(axis=(0, 1))) if op is norm else None,
        )
        return float(peaks[0].max() / np.median(peaks[0]))

    before = unevenness()
    (report,) = edgec.optimize(graph, "smooth", Settings(data=data, check_numerics=True))
    assert report.changed
    assert unevenness() < before / 4


# -- op by op -------------------------------------------------------------------------------------


def test_layers_see_what_changed_before_them() -> None:
    graph = parse_graph("""graph g(%x: f32[2]) {
      %a = math.mul %x, f32[1](2.0)
      %b = math.add %a, f32[1](1.0)
      return y=%b
    }""")
    samples = [{"x": np.array([i, i + 1], np.float32)} for i in range(3)]
    steps = Stepwise(graph, samples)
    for op in steps.ops():
        if op.op_name == "math.mul":
            Rewriter(graph).set_operand(op, 1, Constant(np.array([10], np.float32)))
            steps.compute(op)
        else:
            found = [a.tolist() for a in steps.arrays(op.result)]
    assert found == [[1, 11], [11, 21], [21, 31]]


def test_gathering_takes_the_same_places_each_time() -> None:
    op = parse_graph("graph g(%x: f32[1,2,9,9]) { %y = nn.conv %x, w=@w[3,2,3,3] return y=%y }")
    conv = next(op.ops_of(Conv))
    x = np.random.default_rng(0).standard_normal((1, 2, 9, 9)).astype(np.float32)
    y = np.random.default_rng(1).standard_normal((1, 3, 7, 7)).astype(np.float32)
    sums = []
    for _ in range(2):
        moments = Moments(1, 18, 3)
        gather(moments, conv, [x, x], [y, y], 10)
        assert moments.count == 20
        sums.append(moments.xx)
    assert np.array_equal(*sums)
