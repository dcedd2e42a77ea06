"""Hard sigmoid and hard swish, as exporters spell them."""

from __future__ import annotations

from math import inf

from edgec.ir import Op, Value
from edgec.ir.ops import Add, Clip, Div, HardSigmoid, HardSwish, Mul
from edgec.passes.fuse.channels import is_plain_float
from edgec.passes.fuse.fusion import Fusion
from edgec.passes.fuse.product import is_rounded, product
from edgec.passes.pattern import CARRY, Match, Pattern, node, scalar, uniform, var

_RAMP = node(Add, var("x"), scalar(3.0))  # of relu6(x + 3)


def _number(value: Value | None) -> float:
    found = uniform(value)
    assert found is not None
    return found


class _Ramp(Fusion):
    """Base: ``slope`` is what x is multiplied with, or divided by its inverse."""

    def fused(self, m: Match) -> Op | str:
        if not is_plain_float(m.x):
            return "only floats have a hard sigmoid"
        alpha = _number(m.slope)
        return HardSigmoid(m.x, alpha=1 / alpha if self.divides else alpha, beta=_number(m.beta))

    divides = False


class HardSigmoidFromMul(_Ramp):
    """clip(x * a + b, 0, 1)  ->  hard_sigmoid(x, a, b)"""

    match = node(
        Clip,
        node(Add, node(Mul, var("x"), scalar() @ "slope"), scalar() @ "beta"),
        low=0.0, high=1.0,
    )  # fmt: skip


class HardSigmoidFromDiv(_Ramp):
    """clip(x / a + b, 0, 1)  ->  hard_sigmoid(x, 1 / a, b)"""

    match = node(
        Clip,
        node(Add, node(Div, var("x"), scalar() @ "slope"), scalar() @ "beta"),
        low=0.0, high=1.0,
    )  # fmt: skip
    divides = True

    def fused(self, m: Match) -> Op | str:
        return "x is divided by zero" if _number(m.slope) == 0 else super().fused(m)


class _ScaledClip(Fusion):
    """Base: a clip whose length the factor brings to 1."""

    divides = False

    def fused(self, m: Match) -> Op | str:
        if not is_plain_float(m.x):
            return "only floats have a hard sigmoid"
        factor = _number(m.factor)
        if m.clip.low != 0 or m.clip.high == inf or factor == 0:
            return "the clip is not from 0 to a number"
        alpha = 1 / factor if self.divides else factor
        if not is_rounded(alpha * m.clip.high, 1.0, m.x):
            return f"the result ends at {alpha * m.clip.high:g}, not at 1"
        return HardSigmoid(m.x, alpha=alpha, beta=_number(m.offset) * alpha)


_CLIP = node(Clip, node(Add, var("x"), scalar() @ "offset"), attrs=CARRY) @ "clip"


class HardSigmoidFromClipMul(_ScaledClip):
    """clip(x + c, 0, h) * (1 / h)  ->  hard_sigmoid(x, 1 / h, c / h)"""

    match = node(Mul, _CLIP, scalar() @ "factor")


class HardSigmoidFromClipDiv(_ScaledClip):
    """clip(x + c, 0, h) / h  ->  hard_sigmoid(x, 1 / h, c / h)"""

    match = node(Div, _CLIP, scalar() @ "factor")
    divides = True


class HardSwishFromHardSigmoid(Fusion):
    """x * hard_sigmoid(x, 1/6, 1/2)  ->  hard_swish(x)"""

    match = node(Mul, node(HardSigmoid, var("x"), attrs=CARRY) @ "gate", var("x"))

    def fused(self, m: Match) -> Op | str:
        if not is_rounded(m.gate.alpha, 1 / 6, m.x) or not is_rounded(m.gate.beta, 0.5, m.x):
            return f"the ramp is {m.gate.alpha:g} * x + {m.gate.beta:g}"
        return HardSwish(m.x)


class HardSwishFromClip(Fusion):
    """x * clip(x + 3, 0, 6) / 6  ->  hard_swish(x);  factors in any order"""

    match = product(node(Clip, _RAMP, low=0.0, high=6.0), var("x"), factor=1 / 6)

    def fused(self, m: Match) -> Op | str:
        return HardSwish(m.x)


RULES: tuple[type[Pattern], ...] = (
    HardSwishFromClip,
    HardSigmoidFromMul,
    HardSigmoidFromDiv,
    HardSigmoidFromClipMul,
    HardSigmoidFromClipDiv,
    HardSwishFromHardSigmoid,
)
