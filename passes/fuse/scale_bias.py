"""Scales and shifts by constants into the weights and the bias of a linear op beside them."""

from __future__ import annotations

import numpy as np

from edgec.ir import Op, Rewriter, Value
from edgec.ir.ops import Add, Div, Mul, Neg, Sub
from edgec.passes.fuse.carriers import CARRIERS, LINEAR, after, before, result_axis, source_axis
from edgec.passes.fuse.channels import Affine, Vector, is_plain_float, per_channel, rounded
from edgec.passes.fuse.fusion import Fusion, with_source
from edgec.passes.pattern import ANY, Match, Pattern, const, loose, node

_MORE_AXES = "the constant varies along more than the channels"
_ZERO = "the divisor has zeros"

_CARRIER = loose(CARRIERS) @ "carrier"


class _Affine(Fusion):
    """Base: ``affine`` is what the rule's elementwise op does, given its constant."""

    @staticmethod
    def affine(c: Vector) -> Affine | str:
        raise NotImplementedError


class _After(_Affine):
    """Base: the elementwise op reads the result of the linear one."""

    def fused(self, m: Match) -> Op | str:
        result = m.carrier.result
        vector = per_channel(m.c, result, result_axis(m.carrier)) if m.get("c") else np.ones(1)
        if vector is None or not is_plain_float(m.get("c")):
            return _MORE_AXES
        affine = self.affine(vector)
        return affine if isinstance(affine, str) else after(m.carrier, affine)


class _Before(_Affine):
    """Base: the linear op reads the result of the elementwise one."""

    def fused(self, m: Match) -> Op | str:
        if m.inner.result.type != m.x.type:
            return "the constant enlarges x"
        vector = per_channel(m.c, m.x, source_axis(m.linear)) if m.get("c") else np.ones(1)
        if vector is None or not is_plain_float(m.get("c")):
            return _MORE_AXES
        affine = self.affine(vector)
        made = affine if isinstance(affine, str) else before(m.linear, affine)
        return made if isinstance(made, str) else with_source(made, m.x)


class _Mul(_Affine):
    @staticmethod
    def affine(c: Vector) -> Affine | str:
        return Affine(scale=c)


class _Div(_Affine):
    @staticmethod
    def affine(c: Vector) -> Affine | str:
        return Affine(scale=1 / c) if np.all(c != 0) else _ZERO


class _Add(_Affine):
    @staticmethod
    def affine(c: Vector) -> Affine | str:
        return Affine(shift=c)


class _Sub(_Affine):
    @staticmethod
    def affine(c: Vector) -> Affine | str:
        return Affine(shift=-c)


class _SubFrom(_Affine):
    @staticmethod
    def affine(c: Vector) -> Affine | str:
        return Affine(scale=-np.ones(1), shift=c)


class _Neg(_Affine):
    @staticmethod
    def affine(c: Vector) -> Affine | str:
        return Affine(scale=-c)


class FuseMulAfter(_Mul, _After):
    """linear(x, w, b) * c  ->  linear(x, w * c, b * c);  c per output channel"""

    match = node(Mul, _CARRIER, const("c", near=False))


class FuseDivAfter(_Div, _After):
    """linear(x, w, b) / c  ->  linear(x, w / c, b / c);  c per output channel"""

    match = node(Div, _CARRIER, const("c", near=False))


class FuseAddAfter(_Add, _After):
    """linear(x, w, b) + c  ->  linear(x, w, b + c);  c per output channel"""

    match = node(Add, _CARRIER, const("c", near=False))


class FuseSubAfter(_Sub, _After):
    """linear(x, w, b) - c  ->  linear(x, w, b - c);  c per output channel"""

    match = node(Sub, _CARRIER, const("c", near=False))


class FuseSubFromAfter(_SubFrom, _After):
    """c - linear(x, w, b)  ->  linear(x, -w, c - b);  c per output channel"""

    match = node(Sub, const("c", near=False), _CARRIER)


class FuseNegAfter(_Neg, _After):
    """-linear(x, w, b)  ->  linear(x, -w, -b)"""

    match = node(Neg, _CARRIER)


class FuseMulBefore(_Mul, _Before):
    """linear(x * c, w, b)  ->  linear(x, w * c, b);  c per input channel"""

    match = loose(LINEAR, node(Mul, ANY @ "x", const("c", near=False)) @ "inner") @ "linear"


class FuseDivBefore(_Div, _Before):
    """linear(x / c, w, b)  ->  linear(x, w / c, b);  c per input channel"""

    match = loose(LINEAR, node(Div, ANY @ "x", const("c", near=False)) @ "inner") @ "linear"


class FuseAddBefore(_Add, _Before):
    """linear(x + c, w, b)  ->  linear(x, w, b + sum of w * c);  without padding, which stays 0"""

    match = loose(LINEAR, node(Add, ANY @ "x", const("c", near=False)) @ "inner") @ "linear"


class FuseSubBefore(_Sub, _Before):
    """linear(x - c, w, b)  ->  linear(x, w, b - sum of w * c);  without padding, which stays 0"""

    match = loose(LINEAR, node(Sub, ANY @ "x", const("c", near=False)) @ "inner") @ "linear"


class FuseSubFromBefore(_SubFrom, _Before):
    """linear(c - x, w, b)  ->  linear(x, -w, b + sum of w * c);  without padding, which stays 0"""

    match = loose(LINEAR, node(Sub, const("c", near=False), ANY @ "x") @ "inner") @ "linear"


class FuseNegBefore(_Neg, _Before):
    """linear(-x, w, b)  ->  linear(x, -w, b)"""

    match = loose(LINEAR, node(Neg, ANY @ "x") @ "inner") @ "linear"


class FuseMulBeforeAdd(Pattern):
    """linear(x * c + d, w, b)  ->  linear(x + d / c, w * c, b);  c per input channel, without zeros

    For the sum that cannot go into the weights itself, because of the padding that stays 0.
    """

    match = (
        loose(
            LINEAR,
            node(
                Add,
                node(Mul, ANY @ "x", const("c", near=False)) @ "inner",
                const("d", near=False),
            )
            @ "sum",
        )
        @ "linear"
    )

    def check(self, m: Match) -> str | None:
        if m.inner.result.type != m.x.type or m.sum.result.type != m.x.type:
            return "a constant enlarges x"
        axis = source_axis(m.linear)
        factor, addend = per_channel(m.c, m.x, axis), per_channel(m.d, m.x, axis)
        if factor is None or addend is None or not is_plain_float(m.c, m.d):
            return _MORE_AXES
        if not np.all(factor != 0):
            return "the factor has zeros"
        made = before(m.linear, Affine(scale=factor))
        if isinstance(made, str):
            return made
        larger = m.c if m.c.array.size > m.d.array.size else m.d
        quotient = rounded((addend / factor).reshape(larger.array.shape), m.d)
        if quotient is None:
            return "the quotient of the constants overflows"
        m.captures.update(made=made, quotient=quotient)
        return None

    def build(self, m: Match, rw: Rewriter) -> Value:
        shifted = rw.add(Add(m.x, m.quotient)).result
        return rw.add(with_source(m.made, shifted)).result


RULES: tuple[type[Pattern], ...] = (
    FuseMulAfter,
    FuseDivAfter,
    FuseAddAfter,
    FuseSubAfter,
    FuseSubFromAfter,
    FuseNegAfter,
    FuseMulBefore,
    FuseDivBefore,
    FuseAddBefore,
    FuseSubBefore,
    FuseSubFromBefore,
    FuseNegBefore,
    FuseMulBeforeAdd,
)
