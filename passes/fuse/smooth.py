"""Smooth activations, as exporters spell them: sigmoid, silu, gelu, mish, softplus, softsign."""

from __future__ import annotations

from math import pi, sqrt

from edgec.ir import Op
from edgec.ir.ops import (
    Abs,
    Add,
    Div,
    Erf,
    Exp,
    Gelu,
    Log,
    Mish,
    Mul,
    Neg,
    Pow,
    Reciprocal,
    Relu,
    Sigmoid,
    Silu,
    Softplus,
    Softsign,
    Tanh,
)
from edgec.passes.fuse.channels import is_plain_float
from edgec.passes.fuse.fusion import Fusion
from edgec.passes.fuse.product import number, product
from edgec.passes.pattern import (
    Match,
    Pattern,
    either,
    node,
    scalar,
    uniform,
    var,
)

_X = var("x")
_MINUS_X = either(node(Neg, _X), node(Mul, _X, scalar(-1.0)))
_ONE_PLUS_EXP_MINUS = node(Add, node(Exp, _MINUS_X), scalar(1.0))
_ONE_PLUS_EXP = node(Add, node(Exp, _X), scalar(1.0))


class _OfX(Fusion):
    """Base: the match is ``op`` of x."""

    op: type[Op]

    def fused(self, m: Match) -> Op | str:
        if not is_plain_float(m.x):
            return "only floats have activations"
        return self.op(m.x)


class SigmoidFromDiv(_OfX):
    """1 / (1 + exp(-x))  ->  sigmoid(x)"""

    match = node(Div, scalar(1.0), _ONE_PLUS_EXP_MINUS)
    op = Sigmoid


class SigmoidFromReciprocal(_OfX):
    """reciprocal(1 + exp(-x))  ->  sigmoid(x)"""

    match = node(Reciprocal, _ONE_PLUS_EXP_MINUS)
    op = Sigmoid


class SigmoidFromExps(_OfX):
    """exp(x) / (1 + exp(x))  ->  sigmoid(x)"""

    match = node(Div, node(Exp, _X), _ONE_PLUS_EXP)
    op = Sigmoid


class SiluFromDiv(_OfX):
    """x / (1 + exp(-x))  ->  silu(x)"""

    match = node(Div, _X, _ONE_PLUS_EXP_MINUS)
    op = Silu


class SiluFromSigmoid(_OfX):
    """x * sigmoid(x)  ->  silu(x)"""

    match = node(Mul, node(Sigmoid, _X), _X)
    op = Silu


class SiluFromScaledSigmoid(Fusion):
    """x * sigmoid(x * a)  ->  silu(x, a)"""

    match = node(Mul, node(Sigmoid, node(Mul, _X, scalar() @ "alpha")), _X)

    def fused(self, m: Match) -> Op | str:
        alpha = uniform(m.alpha)
        assert alpha is not None
        return Silu(m.x, alpha=alpha)


class SoftplusFromLog(_OfX):
    """log(1 + exp(x))  ->  softplus(x)"""

    match = node(Log, _ONE_PLUS_EXP)
    op = Softplus


class SoftplusFromParts(_OfX):
    """relu(x) + softplus(-|x|)  ->  softplus(x), which is as safe from overflow"""

    match = node(Add, node(Softplus, node(Neg, node(Abs, _X))), node(Relu, _X))
    op = Softplus


_TANH_OF_HALF = node(Add, node(Tanh, node(Mul, _X, scalar(0.5))), scalar(1.0))


class SigmoidFromTanh(_OfX):
    """(1 + tanh(x / 2)) / 2  ->  sigmoid(x)"""

    match = product(_TANH_OF_HALF, factor=0.5)
    op = Sigmoid


class SiluFromTanh(_OfX):
    """x * (1 + tanh(x / 2)) / 2  ->  silu(x);  factors in any order"""

    match = product(_TANH_OF_HALF, _X, factor=0.5)
    op = Silu


class TanhFromSigmoid(_OfX):
    """2 * sigmoid(2 * x) - 1  ->  tanh(x)"""

    match = node(
        Add, node(Mul, node(Sigmoid, node(Mul, _X, scalar(2.0))), scalar(2.0)), scalar(-1.0)
    )
    op = Tanh


class SoftsignFromDiv(_OfX):
    """x / (1 + |x|)  ->  softsign(x)"""

    match = node(Div, _X, node(Add, node(Abs, _X), scalar(1.0)))
    op = Softsign


class MishFromTanh(_OfX):
    """x * tanh(softplus(x))  ->  mish(x)"""

    match = node(Mul, node(Tanh, node(Softplus, _X)), _X)
    op = Mish


_SCALED = either(node(Div, _X, number(sqrt(2))), node(Mul, _X, number(sqrt(0.5))))
_ONE_PLUS_ERF = node(Add, node(Erf, _SCALED), scalar(1.0))


class GeluFromErf(_OfX):
    """x * (1 + erf(x / sqrt 2)) / 2  ->  gelu(x);  factors in any order"""

    match = product(_ONE_PLUS_ERF, _X, factor=0.5)
    op = Gelu


_SQUARE = either(node(Pow, _X, scalar(2.0)), node(Mul, _X, _X))
_CUBE = either(node(Pow, _X, scalar(3.0)), node(Mul, node(Mul, _X, _X), _X))
_SMALL = 0.044715
_POLYNOMIAL = node(Add, node(Mul, _CUBE, number(_SMALL)), _X)
_FACTORED = node(Add, node(Mul, _SQUARE, number(_SMALL)), scalar(1.0))
_SLOPE = sqrt(2 / pi)
_ARGUMENT = either(product(_POLYNOMIAL, factor=_SLOPE), product(_FACTORED, _X, factor=_SLOPE))
_ONE_PLUS_TANH = node(Add, node(Tanh, _ARGUMENT), scalar(1.0))


class GeluFromTanh(Fusion):
    """x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x ** 3))) / 2  ->  gelu(x, "tanh");  factors in
    any order, x also factored out of the polynomial"""

    match = product(_ONE_PLUS_TANH, _X, factor=0.5)

    def fused(self, m: Match) -> Op | str:
        return Gelu(m.x, approximate="tanh")


RULES: tuple[type[Pattern], ...] = (
    GeluFromErf,
    GeluFromTanh,
    SigmoidFromDiv,
    SigmoidFromReciprocal,
    SigmoidFromExps,
    SiluFromDiv,
    SiluFromSigmoid,
    SiluFromScaledSigmoid,
    SoftplusFromLog,
    SoftplusFromParts,
    SigmoidFromTanh,
    SiluFromTanh,
    TanhFromSigmoid,
    SoftsignFromDiv,
    MishFromTanh,
)
