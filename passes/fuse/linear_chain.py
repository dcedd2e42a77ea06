"""Two linear ops with constant weights in a row, as one."""

from __future__ import annotations

import math

import numpy as np

from edgec.ir import Array, Constant, Op, Value
from edgec.ir.ops import Conv, MatMul
from edgec.passes.fuse.carriers import OVERFLOW
from edgec.passes.fuse.channels import float64, is_plain_float, rounded
from edgec.passes.fuse.fusion import Fusion
from edgec.passes.pattern import Match, Pattern, loose

_NOT_CONSTANT = "weights or biases are not constant floats"
_MORE_WORK = "one product would cost more than the two"


def _is_constant(*values: Value | None) -> bool:
    present = [value for value in values if value is not None]
    return all(isinstance(value, Constant) for value in present) and is_plain_float(*present)


def _is_pointwise(conv: Conv) -> bool:
    """A matrix product per sample: kernel 1, stride 1, no padding, one group."""
    plain = all(step == 1 for step in conv.stride) and not any(conv.pads)
    return plain and conv.auto_pad == "explicit" and all(size == 1 for size in conv.kernel)


class ConvOfConv(Fusion):
    """conv(conv(x, w, b), v, d)  ->  conv(x, v·w, v·b + d)  where one of them has a kernel of 1 and
    the product costs no more than the two"""

    match = loose(Conv, loose(Conv) @ "first") @ "second"

    def fused(self, m: Match) -> Op | str:
        first, second = m.first, m.second
        if first.act != "none":
            return f"conv carries the activation {first.act}"
        if first.groups != 1 or second.groups != 1 or first.layout != second.layout:
            return "a convolution has groups, or another layout"
        if not _is_constant(first.w, first.bias, second.w, second.bias):
            return _NOT_CONSTANT
        if _is_pointwise(second):
            return _joined(m, "omq,mck->ock", window=first)
        if _is_pointwise(first) and (first.bias is None or not _pads(second)):
            return _joined(m, "omk,mcq->ock", window=second)
        return "neither convolution is a matrix product per sample"


def _pads(conv: Conv) -> bool:
    return any(conv.pads) or conv.auto_pad != "explicit"


def _joined(m: Match, equation: str, window: Conv) -> Op | str:
    """One convolution that moves its window as ``window`` does. The equation is over output, inner
    and input channels o, m, c, the kernel k, and the kernel q of one sample."""
    first, second = m.first, m.second
    channels = first.w.type.dims[1]
    cost = second.result.type.elements() * channels * math.prod(window.kernel)
    if cost > first.work().macs + second.work().macs:
        return _MORE_WORK
    inner, outer = (float64(conv.w) for conv in (first, second))
    flat = [array.reshape(*array.shape[:2], -1) for array in (outer, inner)]
    weights = np.einsum(equation, *flat)
    dims = (*weights.shape[:2], *window.kernel)
    made = rounded(weights.reshape(dims), second.w)
    bias = _bias(flat[0].sum(axis=-1), first.bias, second.bias, second.w)
    if made is None or isinstance(bias, str):
        return OVERFLOW
    act = {"act": second.act, "act_params": second.act_params}
    return window.copy(x=first.x, w=made, bias=bias, **act)


def _bias(
    matrix: Array, inner: Value | None, outer: Value | None, like: Value
) -> Value | str | None:
    """What the second op makes of the first one's bias, plus its own."""
    if inner is None:
        return outer
    data = matrix @ float64(inner)
    hint = inner.hint if outer is None else outer.hint
    made = rounded(data if outer is None else data + float64(outer), like, hint)
    return OVERFLOW if made is None else made


class MatMulOfMatMul(Fusion):
    """matmul(matmul(a, w, b), v, d)  ->  matmul(a, w·v, b·v + d)  for constant matrices, where the
    product costs no more than the two"""

    match = loose(MatMul, loose(MatMul) @ "first") @ "second"

    def fused(self, m: Match) -> Op | str:
        first, second = m.first, m.second
        if first.act != "none":
            return f"matmul carries the activation {first.act}"
        if not _is_constant(first.b, first.bias, second.b, second.bias):
            return _NOT_CONSTANT
        if any(op.b.type.rank != 2 or op.transpose_b or op.alpha != 1 for op in (first, second)):
            return "an operand is transposed, scaled or no matrix"
        if second.transpose_a or first.result.type.rank < 2:
            return "an operand is transposed, scaled or no matrix"
        if first.bias is not None and first.bias.type.rank != 1:
            return "the bias is no row"
        depth = first.b.type.dims[0]
        if second.result.type.elements() * depth > first.work().macs + second.work().macs:
            return _MORE_WORK
        matrix = float64(second.b)
        weights = rounded(float64(first.b) @ matrix, second.b)
        bias = _bias(matrix.T, first.bias, second.bias, second.b)
        if weights is None or isinstance(bias, str):
            return OVERFLOW
        return second.copy(a=first.a, b=weights, bias=bias, transpose_a=first.transpose_a)  # type: ignore[no-any-return]


RULES: tuple[type[Pattern], ...] = (ConvOfConv, MatMulOfMatMul)
