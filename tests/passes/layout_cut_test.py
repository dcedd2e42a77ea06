"""Cuts of large networks by compiled loops are those of small ones by networkx."""

from __future__ import annotations

import random

import pytest

from edgec.kernels import sink_side
from edgec.passes.layout import cut
from edgec.passes.layout.cut import CutProblem

LIMBS = (3, 60, 62, 63, 95, 110)  # bits of capacities: in one part of two, and at their border


def problem(rng: random.Random) -> CutProblem:
    made = CutProblem()
    nodes = [made.node() for _ in range(rng.randrange(4, 40))]
    for node in nodes:
        made.price(node, rng.choice((-1, 0, 1)) * rng.randrange(1 << rng.choice(LIMBS)))
    for _ in range(3 * len(nodes)):
        u, v = rng.sample(nodes, 2)
        made.arc(u, v, rng.randrange(1 << rng.choice(LIMBS)), rng.choice((0, 1 << 62, 1 << 100)))
    return made


def test_the_compiled_cut_is_networkxs(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(200):
        small = problem(random.Random(seed)).solve()
        monkeypatch.setattr(cut, "LARGE", 0)
        assert problem(random.Random(seed)).solve() == small, f"seed {seed}"
        monkeypatch.undo()


def test_of_several_cuts_the_one_with_the_fewest_nodes_beyond() -> None:
    assert sink_side(4, [(0, 2, 5, 0), (2, 3, 5, 0), (3, 1, 5, 0)], 0, 1) == [
        False, True, False, False,
    ]  # fmt: skip
    assert sink_side(3, [(0, 2, 1 << 62, 0), (2, 1, (1 << 62) + 1, 0)], 0, 1)[2]
    assert not sink_side(3, [(0, 2, 1 << 100, 0), (2, 1, 1 << 63, 0)], 0, 1)[2]
