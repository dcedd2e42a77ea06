"""Activations that an op may carry: the attributes ``act`` and ``act_params``."""

from __future__ import annotations

from collections.abc import Mapping

from edgec.ir.op import Floats, OpError

# Number of parameters that each fused activation takes.
FUSED_ACTIVATIONS: Mapping[str, int] = {
    "none": 0,
    "relu": 0,
    "clip": 2,  # low, high
    "leaky_relu": 1,  # alpha
    "hard_swish": 0,
    "hard_sigmoid": 2,  # alpha, beta
    "sigmoid": 0,
    "silu": 1,  # alpha
    "tanh": 0,
}


def check_fused(act: str, params: Floats) -> None:
    """Raises OpError unless ``act`` is known and has the right number of parameters."""
    if act not in FUSED_ACTIVATIONS:
        raise OpError(f"act is one of {list(FUSED_ACTIVATIONS)}, found {act!r}")
    if len(params) != FUSED_ACTIVATIONS[act]:
        raise OpError(f"{act} takes {FUSED_ACTIVATIONS[act]} parameters, found {list(params)}")
