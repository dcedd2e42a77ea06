"""The numbers before an activation, from those after it.

Calibration sees a layer with the activation that it carries. Where the target needs the layer's
own sum on integers, its range follows: what the activation maps to one number (or to less than
half a step of its result) need not be told apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from edgec.ir import Floats, Range

_Inverse: TypeAlias = Callable[[Range, float, Floats], Range]

STEPS = 255  # between the least and the greatest integer


def before_activation(act: str, params: Floats, after: Range) -> Range:
    """A range of x outside which ``act(x)``, within ``after``, changes by half a step at most."""
    half_step = max(after.high - after.low, 1e-30) / STEPS / 2
    return _INVERSES[act](after, half_step, params)


def _hard_swish(after: Range, half_step: float, params: Floats) -> Range:
    """x * clip(x / 6 + 1/2, 0, 1): 0 up to -3, x from 3 on, rising above -3/2."""
    high = after.high
    if high < 3:
        high = (math.sqrt(9 + 24 * max(high, -0.375)) - 3) / 2
    return Range(-3.0, max(high, 0.0))


def _silu(after: Range, half_step: float, params: Floats) -> Range:
    """x * sigmoid(alpha * x): falls below its minimum near -1.28 / alpha, and rises above."""
    (alpha,) = params
    xs = np.linspace(-30, 0, 6001)
    tail = xs[np.abs(xs / alpha / (1 + np.exp(-xs))) >= half_step]
    low = float(tail[0]) / alpha if tail.size else -1.0 / alpha
    ahead = np.geomspace(1e-6, max(after.high, 0.0) + 4 / alpha, 4000)
    above = ahead[ahead / (1 + np.exp(-alpha * ahead)) >= after.high]
    return Range(low, float(above[0]) if after.high > 0 else 0.0)


def _sigmoid(after: Range, half_step: float, params: Floats) -> Range:
    """Half a step of 1/256 before 0 and 1, whatever the range: the grid of the result is fixed."""
    edge = 1 / 512
    low, high = (min(max(bound, edge), 1 - edge) for bound in (after.low, after.high))
    return Range(math.log(low / (1 - low)), math.log(high / (1 - high)))


def _tanh(after: Range, half_step: float, params: Floats) -> Range:
    edge = 1 - 1 / 256
    low, high = (math.atanh(min(max(bound, -edge), edge)) for bound in (after.low, after.high))
    return Range(low, high)


def _hard_sigmoid(after: Range, half_step: float, params: Floats) -> Range:
    alpha, beta = params
    ends = ((after.low - beta) / alpha, (after.high - beta) / alpha) if alpha else (0.0, 0.0)
    return Range(min(ends), max(ends))


def _leaky_relu(after: Range, half_step: float, params: Floats) -> Range:
    (alpha,) = params
    if alpha <= 0:
        high = max(after.high, 0.0)
        return Range(-high if alpha == 0 else after.high / alpha, high)
    return Range(min(after.low / alpha, 0.0), max(after.high, 0.0))


_INVERSES: Mapping[str, _Inverse] = {
    "hard_swish": _hard_swish,
    "hard_sigmoid": _hard_sigmoid,
    "leaky_relu": _leaky_relu,
    "sigmoid": _sigmoid,
    "silu": _silu,
    "tanh": _tanh,
}
