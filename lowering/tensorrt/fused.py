"""Writing the activation that an op carries (``act``, ``act_params``) as layers after it."""

from __future__ import annotations

from math import isinf

from edgec.ir import DType, Floats
from edgec.lowering.tensorrt.table import Tensor
from edgec.lowering.tensorrt.writer import Writer


def activated(y: Tensor, act: str, params: Floats, dtype: DType, w: Writer) -> Tensor:
    """``act(y)``; y itself when there is no activation."""
    if act == "none":
        return y
    if act == "clip":
        return clipped(y, *params, dtype=dtype, w=w)
    if act == "hard_swish":
        return hard_swish(y, w)
    if act == "silu":
        [alpha] = params
        return silu(y, alpha, w)
    return w.activation(_LAYERS[act], y, *params)


_LAYERS = {
    "relu": "RELU",
    "leaky_relu": "LEAKY_RELU",
    "hard_sigmoid": "HARD_SIGMOID",
    "sigmoid": "SIGMOID",
    "tanh": "TANH",
}


def hard_swish(x: Tensor, w: Writer) -> Tensor:
    """x * min(max(x / 6 + 1/2, 0), 1)"""
    return w.binary("PROD", x, w.activation("HARD_SIGMOID", x, 1 / 6, 0.5))


def silu(x: Tensor, alpha: float, w: Writer) -> Tensor:
    """x * sigmoid(alpha * x)"""
    scaled = x if alpha == 1 else w.binary("PROD", x, w.like(alpha, x))
    return w.binary("PROD", x, w.activation("SIGMOID", scaled))


def clipped(x: Tensor, low: float, high: float, *, dtype: DType, w: Writer) -> Tensor:
    """min(max(x, low), high), as the one layer for it where both bounds bind."""
    lowest, highest = dtype.limits
    binds_low = not isinf(low) and low > lowest
    binds_high = not isinf(high) and high < highest
    if binds_low and binds_high and low <= high and dtype.is_float:
        return w.activation("CLIP", x, low, high)
    if binds_low:
        x = w.binary("MAX", x, w.like(low, x))
    return w.binary("MIN", x, w.like(high, x)) if binds_high else x
