"""Activations into the linear op that they follow: its attributes ``act`` and ``act_params``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from edgec.ir import Floats, Op
from edgec.ir.ops import (
    Clip,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Relu,
    Sigmoid,
    Silu,
    Tanh,
)
from edgec.passes.fuse.carriers import LINEAR
from edgec.passes.fuse.channels import is_plain_float
from edgec.passes.fuse.fusion import Fusion
from edgec.passes.pattern import Match, Pattern, loose

_Fused: TypeAlias = Callable[[Any], tuple[str, Floats]]

_FUSED: Mapping[type[Op], _Fused] = {
    Clip: lambda op: ("clip", (op.low, op.high)),
    HardSigmoid: lambda op: ("hard_sigmoid", (op.alpha, op.beta)),
    HardSwish: lambda op: ("hard_swish", ()),
    LeakyRelu: lambda op: ("leaky_relu", (op.alpha,)),
    Relu: lambda op: ("relu", ()),
    Sigmoid: lambda op: ("sigmoid", ()),
    Silu: lambda op: ("silu", (op.alpha,)),
    Tanh: lambda op: ("tanh", ()),
}


class CarryActivation(Fusion):
    """f(linear(x, w, b))  ->  linear(x, w, b, act=f)"""

    match = loose(tuple(_FUSED), loose(LINEAR) @ "linear")

    def fused(self, m: Match) -> Op | str:
        if m.linear.act != "none":
            return f"{m.linear.op_name} carries the activation {m.linear.act} already"
        if not is_plain_float(m.linear.result):
            return "only floats are activated in place"
        act, params = _FUSED[type(m.root)](m.root)
        return m.linear.copy(act=act, act_params=params)  # type: ignore[no-any-return]


RULES: tuple[type[Pattern], ...] = (CarryActivation,)
