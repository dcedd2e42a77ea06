"""Pruning and its relatives: goals, rounding, refusals, and what accuracy is left."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import MODELS
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from properties.channel_graphs import drawn, inputs, stepped

from edgec.ir import Array, Error, Graph, Kind, Rewriter, verify
from edgec.ir.ops import Add, Conv
from edgec.kernels import InMemory, run
from edgec.passes import Factorize, PassManager, Prune, Settings, Sparsify, parse_pipeline
from edgec.passes.drop_blocks import blocks_of
from edgec.passes.factorize.cp import parallel_factors
from edgec.passes.factorize.layers import layers_of, put, tensor_of
from edgec.passes.factorize.ranks import energy_rank, vbmf_rank
from edgec.passes.factorize.ways import Cp, Spatial, Svd, Tucker, Way, Weights, ways_of
from edgec.passes.prune.choose import least_at_goal
from edgec.passes.prune.costs import Latency
from edgec.passes.reconstruct import on_support
from edgec.tools import driver
from edgec.tools.devices import load_device


def macs(graph: Graph) -> int:
    return sum(op.work().macs for op in graph.ops)


def parameters(graph: Graph) -> int:
    return sum(constant.type.elements() for constant in graph.constants)


def data(graph: Graph, count: int = 8) -> InMemory:
    return InMemory([inputs(seed) for seed in range(count)], "drawn")


def optimized(graph: Graph, pipeline: str, samples: InMemory | None = None) -> Graph:
    made = graph.clone()
    PassManager(parse_pipeline(pipeline), Settings(data=samples)).run(made)
    verify(made)
    return made


def off(graph: Graph, other: Graph) -> float:
    """The energy of the difference over that of the outputs, on inputs that were not seen."""
    wrong = energy = 0.0
    for seed in range(100, 104):
        right, found = run(graph, inputs(seed)), run(other, inputs(seed))
        for name, array in right.items():
            wrong += float(np.square(found[name] - array).sum())
            energy += float(np.square(array).sum())
    return wrong / energy


# -- goals ----------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(st.integers(0, 100_000), st.sampled_from(["macs", "params"]), st.sampled_from([0.6, 0.8]))
def test_a_goal_is_met(seed: int, kind: str, share: float) -> None:
    graph = drawn(seed)
    cost = macs if kind == "macs" else parameters
    least = optimized(graph, "prune{ratio=0.75,round_to=1}")
    if cost(least) > share * cost(graph):
        return  # there may not be that much to take
    assert cost(optimized(graph, f"prune{{{kind}={share}}}")) <= share * cost(graph)


def test_a_latency_goal_counts_on_the_device() -> None:
    graph = stepped("residual")
    device = load_device("raspberry-pi-4")
    made = optimized(graph, "prune{latency=0.9,device=raspberry-pi-4,round_to=1}")
    assert Latency(made, device)({}) <= 0.9 * Latency(graph, device)({})


def test_a_ratio_takes_the_same_share_of_each_group() -> None:
    made = optimized(stepped("plain"), "prune{ratio=0.5,round_to=1}")
    first, *_ = made.ops_of(Conv)
    assert first.result.type.dims[1] == 4


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: Prune(), "one goal"),
        (lambda: Prune(macs=0.5, params=0.5), "one goal"),
        (lambda: Prune(macs=1.5), "between 0 and 1"),
        (lambda: Prune(latency=0.5), "no device"),
        (lambda: Prune(macs=0.5, importance="luck"), "no importance 'luck'"),
        (lambda: Prune(macs=0.5, scope="world"), "no scope 'world'"),
        (lambda: Prune(macs=0.5, round_to=-1), "round_to=-1"),
        (lambda: Prune(macs=0.5, steps=0), "steps=0"),
        (lambda: Factorize(), "one goal"),
        (lambda: Factorize(macs=0.5, ways="svd|magic"), "no way 'magic'"),
        (lambda: Sparsify(), "share between 0 and 1"),
        (lambda: Sparsify(pattern="4:2"), "keeps no N of M"),
    ],
)
def test_options_that_say_nothing_are_refused(make: Callable[[], object], part: str) -> None:
    with pytest.raises(Error, match=part) as caught:
        make()
    assert caught.value.kind is Kind.USAGE


def test_what_cannot_be_met_says_what_can() -> None:
    with pytest.raises(Error, match=r"cannot be met: 0\.\d\d is the least that can be left"):
        optimized(stepped("plain"), "prune{macs=0.01}")


def test_importance_over_data_wants_data() -> None:
    with pytest.raises(Error, match="measured over data"):
        optimized(stepped("plain"), "prune{macs=0.7,importance=taylor}")


@pytest.mark.parametrize(
    "name", ["l1", "l2", "median", "norm", "activation", "taylor", "hessian", "surgeon"]
)
def test_every_importance_ranks(name: str) -> None:
    graph = stepped("norm")
    pipeline = f"prune{{macs=0.7,importance={name},round_to=1}}"
    assert macs(optimized(graph, pipeline, data(graph))) < macs(graph)


def test_what_is_left_is_a_multiple_where_it_can_be() -> None:
    made = optimized(stepped("residual"), "prune{macs=0.8,round_to=4}")
    assert all(op.result.type.dims[1] % 4 == 0 for op in made.ops_of(Conv))


@given(st.integers(1, 200), st.integers(0, 200))
def test_the_least_that_fits_is_found(most: int, wanted: int) -> None:
    found = least_at_goal(most, lambda n: n >= wanted)
    assert found == (wanted if wanted <= most else None)


def test_steps_reach_the_same_goal() -> None:
    graph = stepped("residual")
    made = optimized(graph, "prune{macs=0.5,steps=2,round_to=1}", data(graph))
    assert macs(made) <= 0.5 * macs(graph)


# -- recovery -------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["plain", "residual", "norm", "excite"])
def test_recovery_brings_the_outputs_back(step: str) -> None:
    graph = stepped(step)
    samples = data(graph, 32)
    pruned = optimized(graph, "prune{macs=0.7,round_to=1,recover=false}", samples)
    assert off(graph, optimized(graph, "prune{macs=0.7,round_to=1}", samples)) < off(graph, pruned)


def test_recovery_needs_an_original() -> None:
    graph = stepped("plain")
    with pytest.raises(Error, match="nothing was taken"):
        optimized(graph, "recover", data(graph))


def test_recovery_as_a_pass_is_recovery_inside() -> None:
    graph = stepped("residual")
    inside = optimized(graph, "prune{macs=0.7}", data(graph))
    apart = optimized(graph, "prune{macs=0.7,recover=false},recover", data(graph))
    assert off(inside, apart) == 0


@given(
    hnp.arrays(np.float64, (1, 3, 6), elements=st.floats(-4, 4)),
    hnp.arrays(np.bool_, (1, 3, 6)),
)
def test_masked_least_squares_is_least(target: Array, kept: Array) -> None:
    x = np.random.default_rng(0).standard_normal((6, 40))
    inputs = (x @ x.T / 40)[np.newaxis]
    found = on_support(target, inputs, kept)
    assert not found[~kept].any()
    slope = np.matmul(found - target, inputs)[kept]
    assert np.abs(slope).max(initial=0) <= 0.05 * np.abs(target).max() + 1e-9


# -- low rank -------------------------------------------------------------------------------------


def weights(seed: int, *dims: int) -> Weights:
    rng = np.random.default_rng(seed)
    mixed = rng.standard_normal((dims[1], dims[1]))
    return Weights(rng.standard_normal(dims), np.linalg.cholesky(mixed @ mixed.T + np.eye(dims[1])))


@pytest.mark.parametrize("way", [Svd, Spatial, Tucker])
@pytest.mark.parametrize("seed", range(3))
def test_at_full_rank_nothing_is_lost(way: type[Way], seed: int) -> None:
    made = way(weights(seed, 6, 5, 3, 3))
    assert made.lost(made.ranks()[-1]) < 1e-9
    losses = [made.lost(rank) for rank in made.ranks()]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("seed", range(4))
def test_parts_compute_the_layer(seed: int) -> None:
    graph = stepped("plain", seed)
    for name in ("svd", "spatial", "tucker"):
        made = graph.clone()
        for layer in list(layers_of(made)):
            for way in ways_of(
                Weights(tensor_of(layer), np.eye(tensor_of(layer).shape[1])), [name]
            ):
                parts = way.parts(way.ranks()[-1])
                Rewriter(made).replace(layer, put(layer, parts, Rewriter(made).at(layer)).result)
        verify(made)
        assert off(graph, made) < 1e-9


def test_products_of_vectors_are_found() -> None:
    rng = np.random.default_rng(0)
    factors = [rng.standard_normal((side, 2)) for side in (6, 5, 3, 3)]
    tensor = np.einsum("or,cr,hr,wr->ochw", *factors)
    found = np.einsum("or,cr,hr,wr->ochw", *parallel_factors(tensor, 2))
    assert np.abs(found - tensor).max() < 1e-3 * np.abs(tensor).max()
    assert Cp(Weights(tensor, np.eye(5))).lost((2,)) < 1e-4


@given(st.integers(1, 12), st.integers(0, 1000))
def test_variational_bayes_finds_the_rank_under_noise(rank: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    low = rng.standard_normal((60, rank)) @ rng.standard_normal((rank, 90))
    noisy = low + 0.1 * rng.standard_normal(low.shape)
    assert vbmf_rank(np.linalg.svd(noisy, compute_uv=False), 60, 90) == rank


def test_energy_is_kept() -> None:
    singular = np.sqrt(np.array([4.0, 3, 2, 1]))
    assert [energy_rank(singular, share) for share in (0.4, 0.7, 0.71, 1.0)] == [1, 2, 3, 4]


@pytest.mark.parametrize("option", ["macs=0.8", "latency=0.9,device=raspberry-pi-4", "energy=0.5"])
def test_factorizing_makes_it_cheaper(option: str) -> None:
    graph = stepped("residual")
    made = optimized(graph, f"factorize{{{option},round_to=1}}", data(graph))
    assert macs(made) < macs(graph)
    assert math.isfinite(off(graph, made))


# -- zeros and blocks -----------------------------------------------------------------------------


def test_a_pattern_holds_along_the_channels() -> None:
    graph = stepped("residual")
    made = optimized(graph, "sparsify{pattern=2:4}", data(graph))
    sparse = [tensor_of(op) for op in layers_of(made) if tensor_of(op).shape[1] % 4 == 0]
    assert sparse
    for tensor in sparse:
        lots = np.moveaxis(tensor, 1, -1).reshape(-1, 4)
        assert ((lots != 0).sum(axis=1) <= 2).all()


def test_a_share_of_zeros() -> None:
    made = optimized(stepped("plain"), "sparsify{ratio=0.5}")
    for op in layers_of(made):
        assert abs(float((tensor_of(op) == 0).mean()) - 0.5) < 0.1


def test_a_block_that_does_little_goes() -> None:
    graph = stepped("residual")
    assert len(list(blocks_of(graph))) == 1
    made = optimized(graph, "drop-blocks{count=1,recover=false}", data(graph))
    assert not list(made.ops_of(Add))
    with pytest.raises(Error, match="there are 1"):
        optimized(graph, "drop-blocks{count=2}", data(graph))


# -- a trained model ------------------------------------------------------------------------------


@pytest.mark.skipif(not MODELS.is_dir(), reason="the models are elsewhere")
@pytest.mark.parametrize(
    ("model", "pipeline", "share"),
    [
        ("mnist_mbv2.raw17", "prune{macs=0.5}", 0.5),
        ("mnist_mbv2.raw17", "factorize{macs=0.7}", 0.7),
    ],
)
def test_digits_stay_readable(model: str, pipeline: str, share: float) -> None:
    graph = driver.load(Path(MODELS) / f"{model}.onnx")
    driver.optimize(graph)
    graph = graph.clone({"N": 1})
    images, _ = digits("mnist_calib_500.npz")
    samples = InMemory([{"input": image[np.newaxis]} for image in images[::8]], "digits")
    before, after = accuracy(graph), accuracy(made := optimized(graph, pipeline, samples))
    assert macs(made) <= share * macs(graph)
    assert after > before - 0.015


def digits(name: str) -> tuple[Array, Array]:
    with np.load(Path(MODELS) / name) as arrays:
        pixels, labels = arrays["x"], arrays["y"]
    return ((pixels[:, np.newaxis] / 255 - 0.1307) / 0.3081).astype(np.float32), labels


def accuracy(graph: Graph) -> float:
    images, labels = digits("mnist_test_2k.npz")
    found = [run(graph, {"input": image[np.newaxis]}) for image in images[:400]]
    top = [int(next(iter(one.values())).argmax()) for one in found]
    return float(np.mean(np.asarray(top) == labels[:400]))
