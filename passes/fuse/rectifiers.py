"""Activations with a kink at 0, as exporters spell them: leaky relu, prelu, elu, selu, abs."""

from __future__ import annotations

from math import inf

import numpy as np

from edgec.ir import Op, Value
from edgec.ir.ops import (
    Abs,
    Add,
    Celu,
    Clip,
    Div,
    Elu,
    Exp,
    Greater,
    GreaterEqual,
    LeakyRelu,
    Less,
    LessEqual,
    Maximum,
    Minimum,
    Mul,
    Neg,
    PRelu,
    Relu,
    Selu,
    Sub,
    Where,
)
from edgec.passes.fuse.channels import float64, is_plain_float, rounded
from edgec.passes.fuse.fusion import Fusion
from edgec.passes.fuse.product import is_rounded
from edgec.passes.pattern import (
    CARRY,
    Match,
    Pattern,
    const,
    either,
    either_root,
    node,
    scalar,
    uniform,
    var,
)

_X, _Y = var("x"), var("y")
_POSITIVE = either(
    node((Greater, GreaterEqual), _X, scalar(0.0)), node((Less, LessEqual), scalar(0.0), _X)
)
_NEGATIVE = either(
    node((Less, LessEqual), _X, scalar(0.0)), node((Greater, GreaterEqual), scalar(0.0), _X)
)
_SLOPED = node(Mul, _X, const("slope"))


def _rectified(x: Value, slope: Value) -> Op | str:
    """x where x >= 0, else slope * x."""
    if not is_plain_float(x, slope):
        return "only floats are rectified"
    number = uniform(slope)
    return PRelu(x, slope) if number is None else LeakyRelu(x, alpha=number)


class LeakyReluFromMaximum(Fusion):
    """max(x, x * a)  ->  leaky_relu(x, a), prelu(x, a) for a slope per channel;  a <= 1"""

    match = node(Maximum, _SLOPED, _X)

    def fused(self, m: Match) -> Op | str:
        if not is_plain_float(m.slope) or not np.all(float64(m.slope) <= 1):
            return "a slope is larger than 1"
        return _rectified(m.x, m.slope)


class LeakyReluFromWhere(Fusion):
    """where(x > 0, x, x * a)  ->  leaky_relu(x, a), prelu(x, a) for a slope per channel"""

    match = node(Where, _POSITIVE, _X, _SLOPED)

    def fused(self, m: Match) -> Op | str:
        return _rectified(m.x, m.slope)


class LeakyReluFromWhereNot(Fusion):
    """where(x < 0, x * a, x)  ->  leaky_relu(x, a), prelu(x, a) for a slope per channel"""

    match = node(Where, _NEGATIVE, _SLOPED, _X)

    def fused(self, m: Match) -> Op | str:
        return _rectified(m.x, m.slope)


class PReluFromRelus(Fusion):
    """relu(x) + relu(-x) * a  ->  prelu(x, -a)"""

    match = node(Add, node(Mul, node(Relu, node(Neg, _X)), const("slope")), node(Relu, _X))

    def fused(self, m: Match) -> Op | str:
        if not is_plain_float(m.slope):
            return "only floats are rectified"
        slope = rounded(-float64(m.slope), m.slope)
        assert slope is not None
        return _rectified(m.x, slope)


class PReluFromAbs(Fusion):
    """relu(x) + (x - |x|) * a * 0.5  ->  prelu(x, a)"""

    match = node(Add, node(Mul, node(Sub, _X, node(Abs, _X)), const("slope")), node(Relu, _X))

    def fused(self, m: Match) -> Op | str:
        if not is_plain_float(m.slope):
            return "only floats are rectified"
        slope = rounded(2 * float64(m.slope), m.slope)
        return "the slope overflows" if slope is None else _rectified(m.x, slope)


class PReluFromDifference(Fusion):
    """relu(x) - relu(-x) * a  ->  prelu(x, a)"""

    match = node(Sub, node(Relu, _X), node(Mul, node(Relu, node(Neg, _X)), const("slope")))

    def fused(self, m: Match) -> Op | str:
        return _rectified(m.x, m.slope)


class PReluFromBounds(Fusion):
    """max(x, 0) + min(x, 0) * a  ->  prelu(x, a)"""

    match = node(Add, node(Mul, node(Clip, _X, high=0.0), const("slope")), node(Relu, _X))

    def fused(self, m: Match) -> Op | str:
        return _rectified(m.x, m.slope)


class ReluFromWhere(Fusion):
    """where(x > 0, x, 0)  ->  relu(x);  where(x < 0, 0, x) likewise"""

    match = either_root(
        node(Where, _POSITIVE, _X, scalar(0.0)), node(Where, _NEGATIVE, scalar(0.0), _X)
    )

    def fused(self, m: Match) -> Op | str:
        return Relu(m.x) if is_plain_float(m.x) else "only floats are rectified"


class LeakyReluFromPRelu(Fusion):
    """prelu(x, a)  ->  leaky_relu(x, a)  for one number a"""

    match = node(PRelu, _X, scalar() @ "slope")

    def fused(self, m: Match) -> Op | str:
        return _rectified(m.x, m.slope)


_EXP_MINUS_ONE = either(
    node(Add, node(Exp, _X), scalar(-1.0)), node(Sub, node(Exp, _X), scalar(1.0))
)


class EluFromWhere(Fusion):
    """where(x > 0, x, exp(x) - 1)  ->  elu(x)"""

    match = node(Where, _POSITIVE, _X, _EXP_MINUS_ONE)

    def fused(self, m: Match) -> Op | str:
        return Elu(m.x)


class EluFromScaledWhere(Fusion):
    """where(x > 0, x, (exp(x) - 1) * a)  ->  elu(x, a)"""

    match = node(Where, _POSITIVE, _X, node(Mul, _EXP_MINUS_ONE, scalar() @ "alpha"))

    def fused(self, m: Match) -> Op | str:
        alpha = uniform(m.alpha)
        assert alpha is not None
        return Elu(m.x, alpha=alpha)


_NEGATIVE_PART = node(Clip, _X, high=0.0)
_EXP_OF_NEGATIVE = either(
    node(Add, node(Exp, _NEGATIVE_PART), scalar(-1.0)),
    node(Sub, node(Exp, _NEGATIVE_PART), scalar(1.0)),
)


class EluFromBounds(Fusion):
    """relu(x) + (exp(min(x, 0)) - 1) * a  ->  elu(x, a)"""

    match = node(
        Add,
        either(node(Mul, _EXP_OF_NEGATIVE, scalar() @ "alpha"), _EXP_OF_NEGATIVE),
        node(Relu, _X),
    )

    def fused(self, m: Match) -> Op | str:
        alpha = 1.0 if m.get("alpha") is None else uniform(m.alpha)
        assert alpha is not None
        return Elu(m.x, alpha=alpha)


_SCALED_X = either(node(Div, _X, scalar() @ "divisor"), node(Mul, _X, scalar() @ "factor"))
_EXP_OF_SCALED = either(
    node(Add, node(Exp, _SCALED_X), scalar(-1.0)), node(Sub, node(Exp, _SCALED_X), scalar(1.0))
)


class CeluFromWhere(Fusion):
    """where(x > 0, x, (exp(x / a) - 1) * a)  ->  celu(x, a)"""

    match = node(Where, _POSITIVE, _X, node(Mul, _EXP_OF_SCALED, scalar() @ "alpha"))

    def fused(self, m: Match) -> Op | str:
        alpha = uniform(m.alpha)
        factor = uniform(m.get("factor")) or 1 / (uniform(m.get("divisor")) or inf)
        if not alpha or not is_rounded(alpha * factor, 1.0, m.x):
            return "x is divided by another number than the result is multiplied with"
        return Celu(m.x, alpha=alpha)


class SeluFromElu(Fusion):
    """elu(x, a) * g  ->  selu(x, a, g)"""

    match = node(Mul, node(Elu, _X, attrs=CARRY) @ "elu", scalar() @ "gamma")

    def fused(self, m: Match) -> Op | str:
        gamma = uniform(m.gamma)
        assert gamma is not None
        return Selu(m.x, alpha=m.elu.alpha, gamma=gamma)


class _Chosen(Fusion):
    """Base: ``op`` of the two values that are compared and chosen from."""

    op: type[Op]

    def fused(self, m: Match) -> Op | str:
        return self.op(m.x, m.y) if is_plain_float(m.x, m.y) else "integers stay as they are"


class MaximumFromWhere(_Chosen):
    """where(x > y, x, y)  ->  max(x, y);  also where(x < y, y, x)"""

    match = either_root(
        node(Where, node((Greater, GreaterEqual), _X, _Y), _X, _Y),
        node(Where, node((Less, LessEqual), _X, _Y), _Y, _X),
    )
    op = Maximum


class MinimumFromWhere(_Chosen):
    """where(x < y, x, y)  ->  min(x, y);  also where(x > y, y, x)"""

    match = either_root(
        node(Where, node((Less, LessEqual), _X, _Y), _X, _Y),
        node(Where, node((Greater, GreaterEqual), _X, _Y), _Y, _X),
    )
    op = Minimum


class AbsFromMaximum(Fusion):
    """max(x, -x)  ->  |x|"""

    match = node(Maximum, node(Neg, _X), _X)

    def fused(self, m: Match) -> Op | str:
        return Abs(m.x) if is_plain_float(m.x) else "the lowest integer has no absolute value"


RULES: tuple[type[Pattern], ...] = (
    LeakyReluFromMaximum,
    LeakyReluFromWhere,
    LeakyReluFromWhereNot,
    PReluFromRelus,
    PReluFromAbs,
    PReluFromDifference,
    PReluFromBounds,
    LeakyReluFromPRelu,
    ReluFromWhere,
    EluFromWhere,
    EluFromScaledWhere,
    EluFromBounds,
    CeluFromWhere,
    SeluFromElu,
    MaximumFromWhere,
    MinimumFromWhere,
    AbsFromMaximum,
)
