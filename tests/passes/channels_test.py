"""Channels that go together: what is removed computes what zeros computed, and each tie is told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from properties.channel_graphs import STEPS, drawn, inputs, stepped

from edgec.ir import Builder, Constant, Graph, Rewriter, dtypes, verify
from edgec.ir.ops import Add, Conv
from edgec.kernels import run
from edgec.passes import explain_channels
from edgec.passes.channels import Axis, find_channels
from edgec.passes.channels.links import Indices
from edgec.passes.prune.costs import left_of
from edgec.passes.prune.remove import Remover

NAMES = [step.__name__ for step in STEPS]


def lose(graph: Graph, seed: int) -> dict[Axis, Indices]:
    """Some channels of every group, at random; of each kind one stays."""
    rng = np.random.default_rng(seed)
    gone: dict[Axis, list[Indices]] = {}
    for group in find_channels(graph).groups:
        for places in group.kinds:
            for place in rng.choice(places, rng.integers(0, len(places)), replace=False):
                for axis, indices in group.slices[place].items():
                    gone.setdefault(axis, []).append(indices)
    return {axis: np.unique(np.concatenate(parts)) for axis, parts in gone.items()}


def zero(graph: Graph, gone: dict[Axis, Indices]) -> None:
    """Zeros for the slices of constants, in the graph as it is."""
    for value in {axis.value for axis in gone if isinstance(axis.value, Constant)}:
        array = value.array.copy()
        for axis, indices in gone.items():
            if axis.value is value:
                np.moveaxis(array, axis.number, 0)[indices] = 0
        for op in value.users:
            slots = [i for i, operand in enumerate(op.operands) if operand is value]
            for slot in slots:
                Rewriter(graph).set_operand(op, slot, Constant(array, hint=value.hint))


def check(graph: Graph, seed: int) -> int:
    """Compares both ways to lose the same channels; the number of slices that went."""
    zeroed = graph.clone()
    gone = lose(graph, seed)
    zero(zeroed, lose(zeroed, seed))
    Remover(graph, {axis: left_of(axis, indices) for axis, indices in gone.items()}).run()
    verify(graph)
    expected, found = run(zeroed, inputs(seed)), run(graph, inputs(seed))
    for name, array in expected.items():
        scale = np.abs(array).max() + 1e-6
        assert np.abs(found[name] - array).max() <= 2e-5 * scale
    return sum(map(len, gone.values()))


@settings(max_examples=30)
@given(st.integers(0, 100_000))
def test_removed_channels_are_zeroed_channels(seed: int) -> None:
    check(drawn(seed), seed)


@pytest.mark.parametrize("name", [*NAMES, "flat", "attention"])
def test_every_step_lets_channels_go(name: str) -> None:
    assert any(check(stepped(name, seed), seed) for seed in range(4))


@pytest.mark.parametrize("name", ["plain", "depthwise", "residual", "excite", "shuffle"])
def test_the_first_layer_can_lose_channels_through(name: str) -> None:
    graph = stepped(name)
    first = next(iter(graph.ops))
    found = find_channels(graph)
    assert any(first in group.sources.values() for group in found.groups), found.fixed


def residual() -> Graph:
    b = Builder("g")
    x = b.input("x", dtypes.f32, (1, 3, 4, 4))

    def weights(*dims: int) -> Constant:
        return b.const(np.ones(dims, np.float32))

    with b.located(("left",)):
        left = b.add(Conv(x, weights(4, 3, 1, 1))).result
    with b.located(("right",)):
        right = b.add(Conv(x, weights(4, 3, 1, 1))).result
    with b.located(("sum",)):
        both = b.add(Add(left, right)).result
    with b.located(("last",)):
        last = b.add(Conv(both, weights(2, 4, 1, 1))).result
    return b.output(y=last)


def test_a_group_says_who_is_in_it_and_why() -> None:
    said = str(explain_channels(residual()))
    assert "group 1: 4 channels, computed by left, right" in said
    assert "channels of left with channels of right, because sum combines them" in said
    assert "inputs of last, because last reads them" in said
    assert "last keeps all its channels: it is an output of the model" in said


def test_outputs_keep_their_channels() -> None:
    graph = residual()
    found = find_channels(graph)
    assert len(found.groups) == 1
    assert len(found.groups[0]) == 4
    assert list(found.fixed.values()) == ["it is an output of the model"]
