"""Every published case on the reference kernels, as read and optimized; and the judge of it."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from edgec.tools.conformance.cases import KINDS, Case, cases
from edgec.tools.conformance.columns import reference
from edgec.tools.conformance.judging import (
    WIDER,
    difference,
    distribution_problem,
    is_drawn,
)
from edgec.tools.conformance.scope import BEYOND, scope

FEWEST = {"node": 1600, "simple": 20, "pytorch-converted": 80, "pytorch-operator": 30, "light": 9}

published = functools.cache(cases)


@pytest.mark.parametrize("pipeline", ["O0", "O2"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_case_passes_or_asks_for_more_than_tensors(kind: str, pipeline: str) -> None:
    failed: dict[str, str] = {}
    passed = 0
    for case in published(kind):
        outcome = reference(case, pipeline)
        passed += outcome.status == "pass"
        if outcome.status == "wrong" or (outcome.status == "refused" and scope(case) not in BEYOND):
            failed[case.name] = f"{outcome.status}: {outcome.detail[:500]}"
    assert not failed
    assert len(published(kind)) >= FEWEST[kind]
    assert passed >= sum(scope(case) not in BEYOND for case in published(kind))


def by_name(name: str) -> Case:
    return next(case for case in published("node") if case.name == name)


@pytest.mark.parametrize("name", [name for name, wider in WIDER.items() if wider.everywhere])
def test_a_wider_tolerance_is_needed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = by_name(name)
    monkeypatch.delitem(WIDER, name)
    assert "wrong" in {reference(case, pipeline).status for pipeline in ("O0", "O2")}


@pytest.mark.parametrize("damage", ["scale", "element", "type", "shape", "nan"])
def test_the_judge_sees_damage(damage: str) -> None:
    expected = np.linspace(-3, 3, 60, dtype=np.float32).reshape(3, 4, 5)
    damaged = {
        "scale": expected * np.float32(1.01),
        "element": np.where(np.arange(60).reshape(3, 4, 5) == 7, np.float32(0), expected),
        "type": expected.astype(np.float64),
        "shape": expected.reshape(4, 3, 5),
        "nan": np.where(expected > 2.9, np.float32(np.nan), expected),
    }[damage]
    assert difference(damaged, expected, 1e-3, 1e-7)
    assert not difference(expected.copy(), expected, 1e-3, 1e-7)


def test_integers_must_be_equal() -> None:
    expected = np.arange(100_000, 100_010)
    assert difference(expected + 1, expected, 1e-3, 1e-7)


@pytest.mark.parametrize("wrong", ["rate", "value", "constant"])
def test_the_judge_of_random_numbers_sees_a_wrong_generator(wrong: str) -> None:
    case = by_name("test_bernoulli")
    assert is_drawn(case)
    ((inputs, expected),) = case.data_sets()
    rng = np.random.default_rng(7)
    p = inputs[0]
    generators = {
        "right": lambda: (rng.random(p.shape) < p).astype(p.dtype),
        "rate": lambda: (rng.random(p.shape) < p * 0.8).astype(p.dtype),
        "value": lambda: (rng.random(p.shape) < p) * np.asarray(2, p.dtype),
        "constant": lambda: np.asarray(expected[0]),
    }
    assert not distribution_problem(case, inputs, expected, lambda: [generators["right"]()])
    assert distribution_problem(case, inputs, expected, lambda: [generators[wrong]()])
