"""Random numbers follow their distribution, and repeat only where a seed says so."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgec.ir import Builder, Op, dtypes
from edgec.ir.ops import Bernoulli, Multinomial, RandomNormal, RandomUniform
from edgec.kernels import Executor

COUNT = 20_000


def draws(op: Op, *arrays: Any, times: int = 1) -> list[Any]:
    """What several executions of one op (on inputs of these arrays) draw."""
    b = Builder()
    inputs = [b.input(f"x{i}", dtypes.dtype_of(a.dtype), a.shape) for i, a in enumerate(arrays)]
    made = b.add(op.copy(operands=inputs) if inputs else op)
    executor = Executor(b.output(y=made.result))
    return [executor.run(list(arrays))["y"] for _ in range(times)]


def test_a_seed_repeats_and_none_does_not() -> None:
    for seed, equal in ((3.0, True), (None, False)):
        op = RandomUniform(dims=(50,), dtype=dtypes.f32, seed=seed)
        first, second = draws(op, times=2)
        assert np.array_equal(first, second) == equal


def test_normal_has_its_mean_and_deviation() -> None:
    op = RandomNormal(dims=(COUNT,), dtype=dtypes.f32, mean=2.0, scale=3.0, seed=1.0)
    (y,) = draws(op)
    assert abs(y.mean() - 2) < 0.1
    assert abs(y.std() - 3) < 0.1


def test_uniform_fills_its_range() -> None:
    op = RandomUniform(dims=(COUNT,), dtype=dtypes.f64, low=-1.0, high=3.0, seed=1.0)
    (y,) = draws(op)
    assert -1 <= y.min() < -0.99
    assert 2.99 < y.max() < 3
    assert abs(y.mean() - 1) < 0.05


def test_bernoulli_keeps_its_probability() -> None:
    x = np.repeat(np.array([0.0, 0.25, 1.0], np.float32), COUNT)
    value = Builder().input("x", dtypes.f32, x.shape)
    (y,) = draws(Bernoulli(value, dtype=dtypes.i32, seed=1.0), x)
    np.testing.assert_allclose(y.reshape(3, -1).mean(1), [0, 0.25, 1], atol=0.01)


def test_multinomial_keeps_its_probabilities() -> None:
    x = np.log(np.array([[0.1, 0.2, 0.7], [0.5, 0.5, 1e-30]], np.float32))
    value = Builder().input("x", dtypes.f32, x.shape)
    (y,) = draws(Multinomial(value, samples_per_row=COUNT, dtype=dtypes.i64, seed=1.0), x)
    shares = [np.bincount(row, minlength=3) / COUNT for row in y]
    np.testing.assert_allclose(shares, [[0.1, 0.2, 0.7], [0.5, 0.5, 0]], atol=0.02)
