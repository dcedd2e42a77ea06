"""Reductions spelled out: sums of squares, means as sums, pooling over everything."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgec.ir import Ints, Op, Rewriter, Value, known_ints
from edgec.ir.ops import (
    Abs,
    ArgMax,
    ArgMin,
    AvgPool,
    Div,
    Exp,
    Log,
    LogSoftmax,
    MaxPool,
    Mul,
    Pow,
    ReduceL1,
    ReduceL2,
    ReduceLogSum,
    ReduceLogSumExp,
    ReduceMax,
    ReduceMean,
    ReduceMin,
    ReduceProd,
    ReduceSum,
    ReduceSumSquare,
    Reshape,
    Softmax,
    Sqrt,
    TopK,
    Transpose,
)
from edgec.ir.ops.common import channel_axis
from edgec.passes.fuse.channels import is_plain_float
from edgec.passes.fuse.fusion import Fusion
from edgec.passes.fuse.product import is_rounded
from edgec.passes.pattern import (
    ANY,
    CARRY,
    ELSEWHERE,
    Match,
    Pattern,
    either,
    loose,
    maybe,
    node,
    scalar,
    uniform,
    var,
)

_X = var("x")
_REDUCTIONS: tuple[type[Op], ...] = (
    ReduceL1,
    ReduceL2,
    ReduceLogSum,
    ReduceLogSumExp,
    ReduceMax,
    ReduceMean,
    ReduceMin,
    ReduceProd,
    ReduceSum,
    ReduceSumSquare,
)


class _Reduction(Fusion):
    """Base: ``op`` over the axes of the captured reduction."""

    op: type[Op]

    def fused(self, m: Match) -> Op | str:
        if not is_plain_float(m.x):
            return "integers wrap and truncate"
        return self.op(m.x, axes=m.sum.axes, keepdims=m.sum.keepdims)


class SumSquareFromSum(_Reduction):
    """sum(x ** 2)  ->  sum_square(x)"""

    match = (
        node(ReduceSum, either(node(Mul, _X, _X), node(Pow, _X, scalar(2.0))), attrs=CARRY) @ "sum"
    )
    op = ReduceSumSquare


class L2FromSumSquare(_Reduction):
    """sqrt(sum_square(x))  ->  l2(x)"""

    match = node(Sqrt, node(ReduceSumSquare, _X, attrs=CARRY) @ "sum")
    op = ReduceL2


class L2FromPow(_Reduction):
    """sum_square(x) ** 0.5  ->  l2(x)"""

    match = node(Pow, node(ReduceSumSquare, _X, attrs=CARRY) @ "sum", scalar(0.5))
    op = ReduceL2


class L1FromSum(_Reduction):
    """sum(|x|)  ->  l1(x)"""

    match = node(ReduceSum, node(Abs, _X), attrs=CARRY) @ "sum"
    op = ReduceL1


class LogSumExpFromLog(_Reduction):
    """log(sum(exp(x)))  ->  log_sum_exp(x)"""

    match = node(Log, node(ReduceSum, node(Exp, _X), attrs=CARRY) @ "sum")
    op = ReduceLogSumExp


class LogSumFromLog(_Reduction):
    """log(sum(x))  ->  log_sum(x)"""

    match = node(Log, node(ReduceSum, _X, attrs=CARRY) @ "sum")
    op = ReduceLogSum


class ArgOfSoftmax(Fusion):
    """arg_max(softmax(x))  ->  arg_max(x)  along one axis;  arg_min and log_softmax likewise"""

    match = node(
        (ArgMax, ArgMin), node((Softmax, LogSoftmax), _X, attrs=CARRY) @ "softmax", attrs=CARRY
    )

    def fused(self, m: Match) -> Op | str:
        if m.root.axis != m.softmax.axis:
            return "softmax is taken along another axis"
        return m.root.copy(x=m.x)  # type: ignore[no-any-return]


class ExtremeFromTopK(Pattern):
    """top_k(x, 1)  ->  max(x), or arg_max(x)  where only one of the results is read;  the smallest
    likewise"""

    match = node(TopK, _X, ANY @ "k", attrs=CARRY) @ "top"

    def check(self, m: Match) -> str | None:
        if known_ints(m.k) != (1,):
            return ELSEWHERE
        values, indices = m.top.results
        if values.is_used == indices.is_used:
            return "values and indices are read"
        return None if is_plain_float(m.x) else "only floats have a maximum everywhere"

    def build(self, m: Match, rw: Rewriter) -> Sequence[Value | None]:
        axis, largest = m.top.axis, m.top.largest
        if m.top.results[0].is_used:
            extreme = ReduceMax if largest else ReduceMin
            return rw.add(extreme(m.x, axes=(axis,), keepdims=True)).result, None
        return None, rw.add((ArgMax if largest else ArgMin)(m.x, axis=axis)).result


class _Mean(Fusion):
    """Base: a sum, and the number that it is multiplied with or divided by."""

    divides = False

    def fused(self, m: Match) -> Op | str:
        if not is_plain_float(m.x):
            return "integers truncate"
        counted = [m.x.type.dims[axis] for axis in m.sum.axes]
        known = [dim for dim in counted if isinstance(dim, int)]
        count = math.prod(known)
        if len(known) != len(counted) or not count:
            return "the number of summed elements is not known"
        number = uniform(m.number)
        assert number is not None
        if not is_rounded(number, count if self.divides else 1 / count, m.x):
            return f"the sum is scaled by {number:g}, of {count} elements"
        return ReduceMean(m.x, axes=m.sum.axes, keepdims=m.sum.keepdims)


class MeanFromMul(_Mean):
    """sum(x) * (1 / n)  ->  mean(x) of n elements"""

    match = node(Mul, node(ReduceSum, _X, attrs=CARRY) @ "sum", scalar() @ "number")


class MeanFromDiv(_Mean):
    """sum(x) / n  ->  mean(x) of n elements"""

    match = node(Div, node(ReduceSum, _X, attrs=CARRY) @ "sum", scalar() @ "number")
    divides = True


class MergeReductions(Fusion):
    """mean(mean(x, axes), more)  ->  mean(x, axes and more);  sum, max, min likewise"""

    match = node(
        (ReduceMean, ReduceSum, ReduceMax, ReduceMin),
        node((ReduceMean, ReduceSum, ReduceMax, ReduceMin), _X, attrs=CARRY) @ "inner",
        attrs=CARRY,
    )

    def fused(self, m: Match) -> Op | str:
        inner, outer = m.inner, m.root
        if type(inner) is not type(outer):
            return ELSEWHERE
        if not is_plain_float(m.x):
            return "integers truncate and wrap"
        if inner.keepdims != outer.keepdims:
            return "only one of the reductions keeps its axes"
        kept = [axis for axis in range(m.x.type.rank) if axis not in inner.axes]
        more = outer.axes if inner.keepdims else tuple(kept[axis] for axis in outer.axes)
        return outer.copy(x=m.x, axes=sorted({*inner.axes, *more}))  # type: ignore[no-any-return]


class ReduceOfTranspose(Pattern):
    """mean(transpose(x, p), axes)  ->  transpose(mean(x, p[axes]), p)  of fewer elements, or none
    where the order of the other axes stays;  likewise every reduction"""

    match = (
        node(_REDUCTIONS, node(Transpose, _X, attrs=CARRY) @ "transpose", attrs=CARRY) @ "reduce"
    )

    def check(self, m: Match) -> str | None:
        return None if m.reduce.axes else "nothing is reduced"

    def build(self, m: Match, rw: Rewriter) -> Value:
        perm, axes, keeps = m.transpose.perm, m.reduce.axes, m.reduce.keepdims
        made = m.reduce.copy(x=m.x, axes=sorted(perm[axis] for axis in axes))
        value = rw.add(made).result
        left = [old for axis, old in enumerate(perm) if keeps or axis not in axes]
        order = tuple(sorted(left).index(old) for old in left)
        if order == tuple(range(len(order))):
            return value  # type: ignore[no-any-return]
        return rw.add(Transpose(value, perm=order)).result


class KeepDimsFromReshape(Fusion):
    """reshape(reduce(x)) that only drops or adds the reduced axes  ->  reduce(x) that does so"""

    match = node(
        Reshape, node(_REDUCTIONS, _X, attrs=CARRY) @ "inner", shape=maybe(ANY), to=ANY
    )  # fmt: skip

    def fused(self, m: Match) -> Op | str:
        flipped = m.inner.copy(keepdims=not m.inner.keepdims)
        if flipped.result.type != m.root.result.type:
            return "the reshape does more than drop or add the reduced axes"
        return flipped  # type: ignore[no-any-return]


class _Global(Fusion):
    """Base: a pool whose only window is the whole plane."""

    op: type[Op]

    def fused(self, m: Match) -> Op | str:
        pool, x = m.root, m.root.x
        rank = x.type.rank
        spatial = _spatial_axes(rank, pool.layout)
        if tuple(x.type.dims[axis] for axis in spatial) != pool.kernel:
            return ELSEWHERE
        if any(pool.pads) or pool.auto_pad != "explicit" or any(d != 1 for d in pool.dilation):
            return "the window is padded, or has gaps"
        return self.op(x, axes=spatial, keepdims=True)


class GlobalAvgPool(_Global):
    """avg_pool over the whole plane  ->  mean over the spatial axes"""

    match = loose(AvgPool)
    op = ReduceMean


class GlobalMaxPool(_Global):
    """max_pool over the whole plane  ->  max over the spatial axes"""

    match = loose(MaxPool)
    op = ReduceMax

    def fused(self, m: Match) -> Op | str:
        if m.root.indices:
            return "the indices of max_pool are wanted"
        return super().fused(m)


def _spatial_axes(rank: int, layout: str) -> Ints:
    fixed = {0, channel_axis(layout) % rank}
    return tuple(axis for axis in range(rank) if axis not in fixed)


RULES: tuple[type[Pattern], ...] = (
    SumSquareFromSum,
    L2FromSumSquare,
    L2FromPow,
    L1FromSum,
    LogSumExpFromLog,
    LogSumFromLog,
    ArgOfSoftmax,
    ExtremeFromTopK,
    MeanFromMul,
    MeanFromDiv,
    MergeReductions,
    ReduceOfTranspose,
    KeepDimsFromReshape,
    GlobalAvgPool,
    GlobalMaxPool,
)
