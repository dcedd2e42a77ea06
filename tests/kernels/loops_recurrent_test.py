"""Recurrent layers: what the published node tests leave open."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgec.kernels.loops.activations import activations
from edgec.kernels.loops.recurrent import Sequences, gru, lstm, rnn

Array = NDArray[Any]
STEPS, BATCH, INPUT, HIDDEN = 7, 4, 3, 5
GATES = {"lstm": 4, "gru": 3, "rnn": 1}
NAMES = {"lstm": ["Sigmoid", "Tanh", "Tanh"], "gru": ["Sigmoid", "Tanh"], "rnn": ["Tanh"]}


def make(kind: str, direction: str, lengths: Array | None, **changes: Any) -> Sequences:
    directions = 2 if direction == "bidirectional" else 1
    rng = np.random.default_rng(3)
    size = GATES[kind] * HIDDEN
    fields: dict[str, Any] = {
        "x": rng.standard_normal((STEPS, BATCH, INPUT)),
        "w": rng.standard_normal((directions, size, INPUT)),
        "r": rng.standard_normal((directions, size, HIDDEN)),
        "bias": rng.standard_normal((directions, 2 * size)),
        "lengths": lengths,
        "initial_h": rng.standard_normal((directions, BATCH, HIDDEN)),
        "direction": direction,
        "activations": activations(NAMES[kind] * directions),
    }
    return Sequences(**(fields | changes))


def run(kind: str, sequences: Sequences, **options: bool) -> tuple[Array, Array, Array]:
    steps, batch, _ = sequences.x.shape
    y = np.full((steps, sequences.w.shape[0], batch, HIDDEN), np.nan)
    y_h, y_c = np.zeros(y.shape[1:]), np.zeros(y.shape[1:])
    if kind == "lstm":
        lstm(sequences, None, None, options.get("input_forget", False), y, y_h, y_c)
    elif kind == "gru":
        gru(sequences, options.get("linear_before_reset", False), y, y_h)
    else:
        rnn(sequences, y, y_h)
    return y, y_h, y_c


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_each_length_equals_its_own_shorter_run(kind: str, direction: str) -> None:
    lengths = np.array([7, 3, 0, 5])
    whole = make(kind, direction, lengths)
    y, y_h, y_c = run(kind, whole)
    for b, length in enumerate(lengths):
        assert whole.initial_h is not None
        alone = make(
            kind, direction, None,
            x=whole.x[:length, b : b + 1], initial_h=whole.initial_h[:, b : b + 1],
        )  # fmt: skip
        short, short_h, short_c = run(kind, alone)
        np.testing.assert_allclose(y[:length, :, b], short[:, :, 0], rtol=1e-12)
        np.testing.assert_array_equal(y[length:, :, b], 0)
        np.testing.assert_allclose(y_h[:, b], short_h[:, 0], rtol=1e-12)
        np.testing.assert_allclose(y_c[:, b], short_c[:, 0], rtol=1e-12)


@pytest.mark.parametrize("kind", GATES)
def test_reverse_is_forward_on_reversed_input(kind: str) -> None:
    backward = make(kind, "reverse", None)
    forward = make(kind, "forward", None, x=backward.x[::-1])
    np.testing.assert_allclose(run(kind, backward)[0], run(kind, forward)[0][::-1], rtol=1e-12)


def test_coupled_gates_keep_a_constant_cell() -> None:
    """c' = (1 - i) c + i g(pre_c) with g = 1 and c = 1 stays 1, so h' = o * tanh(1)."""
    one = activations(["Sigmoid", "Affine", "Tanh"], alphas=[0.0], betas=[1.0])
    sequences = make("lstm", "forward", None, activations=one)
    y = np.zeros((STEPS, 1, BATCH, HIDDEN))
    y_h, y_c = np.zeros_like(y[0]), np.zeros_like(y[0])
    lstm(sequences, np.ones((1, BATCH, HIDDEN)), None, True, y, y_h, y_c)
    np.testing.assert_allclose(y_c, 1, rtol=1e-12)


def test_clip_bounds_the_input_of_activations() -> None:
    sequences = make("rnn", "forward", None, clip=0.25)
    assert np.max(abs(run("rnn", sequences)[0])) == pytest.approx(np.tanh(0.25))


@pytest.mark.parametrize(
    ("name", "alpha", "beta", "expected"),
    [
        ("Affine", [2.0], [1.0], [-3.0, 1.0, 5.0]),
        ("Elu", [2.0], [], [2 * np.expm1(-2.0), 0.0, 2.0]),
        ("HardSigmoid", [], [], [0.1, 0.5, 0.9]),
        ("LeakyRelu", [], [], [-0.02, 0.0, 2.0]),
        ("Relu", [], [], [0.0, 0.0, 2.0]),
        ("ScaledTanh", [3.0], [0.5], [-3 * np.tanh(1.0), 0.0, 3 * np.tanh(1.0)]),
        ("Softplus", [], [], np.log1p(np.exp([-2.0, 0.0, 2.0]))),
        ("Softsign", [], [], [-2 / 3, 0.0, 2 / 3]),
        ("ThresholdedRelu", [1.5], [], [0.0, 0.0, 2.0]),
    ],
)
def test_activation_formulas(
    name: str, alpha: list[float], beta: list[float], expected: list[float]
) -> None:
    (function,) = activations([name], alpha, beta)
    np.testing.assert_allclose(function(np.array([-2.0, 0.0, 2.0])), expected, rtol=1e-12)


def test_alphas_go_to_the_functions_that_take_one() -> None:
    tanh, leaky = activations(["Tanh", "LeakyRelu"], [0.5])
    x = np.array([-2.0])
    assert tanh(x)[0] == np.tanh(-2.0)
    assert leaky(x)[0] == -1.0
