"""Writing the activation that an op carries (``act``, ``act_params``) as nodes after it."""

from __future__ import annotations

from math import isinf

from edgec.ir import DType, Floats
from edgec.lowering.openvino.table import Output
from edgec.lowering.openvino.writer import Writer


def activated(y: Output, act: str, params: Floats, dtype: DType, w: Writer) -> Output:
    """``act(y)``; y itself when there is no activation."""
    ops = w.ops
    if act == "none":
        return y
    if act == "clip":
        return clipped(y, *params, dtype=dtype, w=w)
    if act in _PLAIN:
        return getattr(ops, _PLAIN[act])(y)
    scalars = [w.const(param, dtype) for param in params]
    if act == "leaky_relu":
        return ops.prelu(y, *scalars)
    if act == "hard_sigmoid":
        return ops.hard_sigmoid(y, *scalars)
    return ops.swish(y, *scalars)


_PLAIN = {"relu": "relu", "hard_swish": "hswish", "sigmoid": "sigmoid", "tanh": "tanh"}


def clipped(x: Output, low: float, high: float, *, dtype: DType, w: Writer) -> Output:
    """min(max(x, low), high), as the one operator for it where both bounds bind."""
    lowest, highest = dtype.limits
    binds_low = not isinf(low) and low > lowest
    binds_high = not isinf(high) and high < highest
    if binds_low and binds_high and low <= high:
        return w.ops.clamp(x, low, high)
    if binds_low:
        x = w.ops.maximum(x, w.const(low, dtype))
    return w.ops.minimum(x, w.const(high, dtype)) if binds_high else x
