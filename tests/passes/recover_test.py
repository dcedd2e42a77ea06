"""What layers are fitted to: sums and activations behind them, thin layers as one, dampings."""

from __future__ import annotations

import numpy as np

from edgec.ir import Array, Constant, Graph, Rewriter, parse_graph
from edgec.ir.ops import Conv
from edgec.kernels import InMemory, PerSample, run
from edgec.passes.context import PassContext, using
from edgec.passes.reconstruct import Lockstep, Target, Teacher, fit, sensitivities, target_of
from edgec.passes.reconstruct.targets import settled
from edgec.passes.recover import recover

RESIDUAL = """graph g(%x: f32[1,4,8,8]) {
  %a = nn.conv %x, w=@w[4,4,1,1]
  %b = nn.conv %a, w=@v[4,4,1,1], act="relu"
  %c = nn.conv %b, w=@u[4,4,1,1]
  %d = math.add %c, %a
  return y=%d
}"""
PAIR = """graph g(%x: f32[1,6,8,8]) {
  %thin = nn.conv %x, w=@w[2,6,1,1]
  %c = nn.conv %thin, w=@v[5,2,1,1]
  return y=%c
}"""
WHOLE = """graph g(%x: f32[1,6,8,8]) {
  %c = nn.conv %x, w=@w[5,6,1,1]
  return y=%c
}"""


def data(channels: int, count: int = 16) -> InMemory:
    rng = np.random.default_rng(1)
    drawn = rng.standard_normal((count, 1, channels, 8, 8)).astype(np.float32)
    return InMemory([{"x": x} for x in drawn], "drawn")


def exchange(graph: Graph, hint: str, array: Array) -> None:
    (op,) = (op for op in graph.ops_of(Conv) if op.result.hint == hint)
    Rewriter(graph).set_operand(op, 1, Constant(array.astype(np.float32)))


def test_a_layer_makes_good_what_the_sum_behind_it_lacks() -> None:
    right = parse_graph(RESIDUAL)
    own = right.clone()
    exchange(own, "a", np.random.default_rng(2).standard_normal((4, 4, 1, 1)))
    samples = data(4)
    twins = {
        op: twin
        for op, twin in zip(own.ops, right.ops, strict=True)
        if isinstance(op, Conv) and op.result.hint == "c"
    }
    steps = Lockstep(own, right, twins, samples)
    for op, twin in steps.layers():
        target = target_of(op, twin, Teacher(right), steps)
        assert target.skip is not None
        for sample, wanted, skip in zip(samples, target.wanted, target.skip, strict=True):
            assert np.allclose(wanted + skip, run(right, sample)["y"], atol=1e-5)


def test_what_an_activation_hides_is_no_loss() -> None:
    none = PerSample(0, lambda _: np.empty(0))
    relu6 = Target(none, None, 0.0, 6.0)
    wanted = np.array([-3.0, -3.0, 2.0, 9.0, 9.0])
    found = np.array([-1.0, 1.0, -1.0, 7.0, 5.0])
    assert settled(wanted, found, None, relu6).tolist() == [-1, 0, 2, 7, 6]
    skip = np.array([0.0, 0.0, 0.0, -4.0, 0.0])
    assert settled(wanted, found, skip, relu6).tolist() == [-1, 0, 2, 9, 6]


def test_parts_of_a_layer_are_fitted_as_one() -> None:
    rng = np.random.default_rng(3)
    low = rng.standard_normal((5, 2)) @ rng.standard_normal((2, 6))
    whole, pair = parse_graph(WHOLE), parse_graph(PAIR)
    exchange(whole, "c", low.reshape(5, 6, 1, 1))
    samples = data(6)
    with using(PassContext(data=samples)):
        assert recover(pair, Teacher(whole), samples=16, places=64, damping=1e-6) == 2
    for sample in samples:
        expected, found = run(whole, sample)["y"], run(pair, sample)["y"]
        assert np.abs(expected - found).max() < 1e-3 * np.abs(expected).max()


def test_the_damping_follows_the_noise() -> None:
    """Where what is wanted cannot be told from the inputs, weights stay near what they were."""
    rng = np.random.default_rng(4)
    (op,) = parse_graph(WHOLE).ops_of(Conv)
    assert isinstance(op, Conv)
    old = np.zeros((1, 5, 6))
    inputs = [sample["x"] for sample in data(6, 64)]
    noise = [rng.standard_normal((1, 5, 8, 8)).astype(np.float32) for _ in inputs]
    signal = [x[:, :5] for x in inputs]
    sizes = []
    for wanted in (noise, signal):
        target = Target(PerSample(len(wanted), wanted.__getitem__))
        found = fit(op, inputs, target, old, places=64, damping=0.0)
        free = fit(op, inputs, target, old, places=64, damping=1e-9)
        sizes.append(np.linalg.norm(found.rows) / np.linalg.norm(free.rows))
    assert sizes[0] < 0.5
    assert sizes[1] > 0.99


def test_errors_count_by_what_reaches_the_outputs() -> None:
    graph = parse_graph(RESIDUAL)
    exchange(graph, "c", np.full((4, 4, 1, 1), 1e-3))
    found = sensitivities(graph, list(graph.ops_of(Conv)), data(4))
    by_name = {op.results[0].hint: share for op, share in found.items()}
    assert by_name["a"] > 100 * by_name["b"]
    assert by_name["a"] > 100 * by_name["c"]
