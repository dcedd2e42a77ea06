"""Softmax and its logarithm, spelled out."""

from __future__ import annotations

from edgec.ir import Op
from edgec.ir.ops import (
    Add,
    Div,
    Exp,
    Log,
    LogSoftmax,
    Mul,
    Reciprocal,
    ReduceLogSumExp,
    ReduceMax,
    ReduceSum,
    Softmax,
    Sub,
)
from edgec.passes.fuse.fusion import Fusion
from edgec.passes.pattern import CARRY, Match, Pattern, node, same, var

_X = var("x")
_EXP = node(Exp, _X)
_SUM = node(ReduceSum, _EXP, attrs=CARRY) @ "sum"


class _OverOneAxis(Fusion):
    """Base: ``op`` along the one axis of the captured reduction."""

    op: type[Op]

    def fused(self, m: Match) -> Op | str:
        if len(m.sum.axes) != 1 or not m.sum.keepdims:
            return "the sum is not along one axis, which stays"
        return self.op(m.x, axis=m.sum.axes[0])


class SoftmaxFromDiv(_OverOneAxis):
    """exp(x) / sum(exp(x))  ->  softmax(x)"""

    match = node(Div, _EXP, _SUM)
    op = Softmax


class SoftmaxFromMul(_OverOneAxis):
    """exp(x) * reciprocal(sum(exp(x)))  ->  softmax(x)"""

    match = node(Mul, node(Reciprocal, _SUM), _EXP)
    op = Softmax


class LogSumExpOfDifference(Fusion):
    """log_sum_exp(x - max(x)) + max(x)  ->  log_sum_exp(x), which is as safe from overflow"""

    match = node(
        Add,
        node(
            ReduceLogSumExp,
            node(Sub, _X, node(ReduceMax, _X, attrs=CARRY) @ "max"),
            attrs=CARRY,
        )
        @ "sum",
        same("max"),
    )

    def fused(self, m: Match) -> Op | str:
        if m.max.axes != m.sum.axes or not m.max.keepdims or not m.sum.keepdims:
            return "the maximum and the sum are taken over different axes, which stay"
        return m.sum.copy(x=m.x)  # type: ignore[no-any-return]


class LogSoftmaxFromSub(_OverOneAxis):
    """x - log_sum_exp(x)  ->  log_softmax(x)"""

    match = node(Sub, _X, node(ReduceLogSumExp, _X, attrs=CARRY) @ "sum")
    op = LogSoftmax


class LogSoftmaxFromLog(Fusion):
    """log(softmax(x))  ->  log_softmax(x)"""

    match = node(Log, node(Softmax, _X, attrs=CARRY) @ "softmax")

    def fused(self, m: Match) -> Op | str:
        return LogSoftmax(m.x, axis=m.softmax.axis)


class SoftmaxOfDifference(Fusion):
    """softmax(x - max(x))  ->  softmax(x);  log_softmax likewise"""

    match = node(
        (Softmax, LogSoftmax), node(Sub, _X, node(ReduceMax, _X, attrs=CARRY) @ "max"), attrs=CARRY
    )

    def fused(self, m: Match) -> Op | str:
        if m.max.axes != (m.root.axis,) or not m.max.keepdims:
            return "the maximum is not along the axis of the softmax"
        return m.root.copy(x=m.x)  # type: ignore[no-any-return]


RULES: tuple[type[Pattern], ...] = (
    SoftmaxFromDiv,
    SoftmaxFromMul,
    LogSumExpOfDifference,
    LogSoftmaxFromSub,
    LogSoftmaxFromLog,
    SoftmaxOfDifference,
)
