"""Activation functions of the recurrent layers, named and parameterized as in ONNX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Activation = Callable[[Array], Array]
_Formula = Callable[[Array, float, float], Array]


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x)."""
    with np.errstate(over="ignore"):  # e^-x is infinite exactly where the result rounds to 0
        return np.asarray(1 / (1 + np.exp(-x)))


def _elu(x: Array, alpha: float, _beta: float) -> Array:
    return np.where(x >= 0, x, alpha * np.expm1(np.minimum(x, 0)))


_FORMULAS: dict[str, _Formula] = {
    "affine": lambda x, alpha, beta: alpha * x + beta,
    "elu": _elu,
    "hardsigmoid": lambda x, alpha, beta: np.clip(alpha * x + beta, 0, 1),
    "leakyrelu": lambda x, alpha, _beta: np.where(x >= 0, x, alpha * x),
    "relu": lambda x, _alpha, _beta: np.maximum(x, 0),
    "scaledtanh": lambda x, alpha, beta: alpha * np.tanh(beta * x),
    "sigmoid": lambda x, _alpha, _beta: sigmoid(x),
    "softplus": lambda x, _alpha, _beta: np.logaddexp(x, 0).astype(x.dtype, copy=False),
    "softsign": lambda x, _alpha, _beta: x / (1 + np.abs(x)),
    "tanh": lambda x, _alpha, _beta: np.tanh(x),
    "thresholdedrelu": lambda x, alpha, _beta: np.where(x >= alpha, x, 0).astype(x.dtype),
}
_ALPHA = {
    "affine": 1.0,
    "elu": 1.0,
    "hardsigmoid": 0.2,
    "leakyrelu": 0.01,
    "scaledtanh": 1.0,
    "thresholdedrelu": 1.0,
}
_BETA = {"affine": 0.0, "hardsigmoid": 0.5, "scaledtanh": 1.0}


def activations(
    names: Sequence[str], alphas: Sequence[float] = (), betas: Sequence[float] = ()
) -> list[Activation]:
    """The named functions; alphas and betas go, in order, to the functions that take one.

    Raises:
        KeyError: a name that ONNX does not define.

    >>> activations(["LeakyRelu"], [0.5])[0](np.array([-2.0, 2.0]))
    array([-1.,  2.])
    """
    alpha, beta = iter(alphas), iter(betas)
    functions = []
    for name in map(str.lower, names):
        a = next(alpha, _ALPHA[name]) if name in _ALPHA else 0.0
        b = next(beta, _BETA[name]) if name in _BETA else 0.0
        functions.append(_bind(_FORMULAS[name], a, b))
    return functions


def _bind(formula: _Formula, alpha: float, beta: float) -> Activation:
    return lambda x: formula(x, alpha, beta)
