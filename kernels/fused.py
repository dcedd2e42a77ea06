"""Activations that another op carries (``act``, ``act_params``), applied in place."""

from __future__ import annotations

from math import inf

import numpy as np

from edgec.ir import Array, Floats


def clip_bounds(act: str, params: Floats) -> tuple[float, float] | None:
    """Bounds of an activation that is a clip (none, relu, clip), None for the others."""
    if act == "none":
        return -inf, inf
    if act == "relu":
        return 0.0, inf
    return (params[0], params[1]) if act == "clip" else None


def apply_fused(act: str, params: Floats, y: Array) -> Array:
    """``act(y)``, computed in place."""
    bounds = clip_bounds(act, params)
    if bounds is not None:
        low, high = bounds
        return y if (low, high) == (-inf, inf) else np.clip(y, low, high, out=y)
    one = y.dtype.type(1)
    with np.errstate(over="ignore"):
        if act == "leaky_relu":
            np.multiply(y, y.dtype.type(params[0]), out=y, where=y < 0)
        elif act == "tanh":
            np.tanh(y, out=y)
        elif act == "sigmoid":
            np.divide(one, one + np.exp(-y), out=y)
        elif act == "silu":
            np.divide(y, one + np.exp(-y * y.dtype.type(params[0])), out=y)
        else:
            alpha, beta = params if act == "hard_sigmoid" else (1 / 6, 0.5)
            gate = np.clip(y * y.dtype.type(alpha) + y.dtype.type(beta), 0, 1)
            np.multiply(y if act == "hard_swish" else one, gate, out=y)
    return y
