"""Elementwise functions of one operand."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, pi

import numpy as np

from edgec.ir import dtypes
from edgec.ir.ops import (
    Abs,
    Acos,
    Acosh,
    Asin,
    Asinh,
    Atan,
    Atanh,
    Bitcast,
    BitNot,
    Cast,
    Ceil,
    Clip,
    Cos,
    Cosh,
    Erf,
    Exp,
    Floor,
    IsInf,
    IsNan,
    Log,
    Neg,
    Not,
    Reciprocal,
    Round,
    Sign,
    Sin,
    Sinh,
    Sqrt,
    Tan,
    Unary,
)
from edgec.lowering.tflite.fused import fused
from edgec.lowering.tflite.legalize import (
    binary,
    clipped,
    compared,
    scaled,
    selected,
    shifted,
)
from edgec.lowering.tflite.table import PIN, TFLITE, Unwritable
from edgec.lowering.tflite.tensors import Tensor
from edgec.lowering.tflite.writer import Writer

NAMES: Mapping[type[Unary], str] = {
    Abs: "ABS",
    Ceil: "CEIL",
    Cos: "COS",
    Exp: "EXP",
    Floor: "FLOOR",
    Log: "LOG",
    Neg: "NEG",
    Not: "LOGICAL_NOT",
    Round: "ROUND",
    Sign: "SIGN",
    Sin: "SIN",
    Sqrt: "SQRT",
}


@TFLITE.rule(*NAMES)
def unary(op: Unary, w: Writer) -> Tensor:
    return w.op(NAMES[type(op)], w[op.x])


@TFLITE.rule(Clip)
def clip(op: Clip, w: Writer) -> Tensor:
    found = fused(op.x, op.low, op.high, w)
    if found is not None:
        return found
    x = w[op.x]
    y = clipped(x, op.low, op.high, w)
    return w.copy(x) if y is x else y


@TFLITE.rule(Cast)
def cast(op: Cast, w: Writer) -> Tensor:
    """Float16 is computed as float32, so a cast to it leaves the numbers as they are."""
    x = w[op.x]
    to = dtypes.f32 if op.to is dtypes.f16 else op.to
    if to.family == "bool" and x.dtype is not dtypes.boolean:
        return compared("NOT_EQUAL", x, w.like(0, x), w)
    if x.dtype.is_float and to.is_integer and to.bits < 32:
        x = w.cast(x, dtypes.i32)
    return w.copy(x) if x.dtype is to else w.cast(x, to)


@TFLITE.rule(Bitcast)
def bitcast(op: Bitcast, w: Writer) -> Tensor:
    if dtypes.f16 in (op.to, op.x.type.dtype):
        raise Unwritable("float16 is computed as float32, which has other bits")
    return w.op("BITCAST", w[op.x], dtype=op.to)


@TFLITE.rule(BitNot)
def bit_not(op: BitNot, w: Writer) -> Tensor:
    x = w[op.x]
    ones = np.invert(np.zeros((), x.dtype.numpy))
    return binary("BITWISE_XOR", x, w.const(ones), w)


@TFLITE.rule(Reciprocal)
def reciprocal(op: Reciprocal, w: Writer) -> Tensor:
    x = w[op.x]
    return binary("DIV", w.like(1, x), x, w)


@TFLITE.rule(Tan)
def tan(op: Tan, w: Writer) -> Tensor:
    x = w[op.x]
    return binary("DIV", w.op("SIN", x), w.op("COS", x), w)


def _other_leg(x: Tensor, w: Writer) -> Tensor:
    """sqrt((1 - x) * (1 + x)), which loses nothing near 1."""
    return w.op("SQRT", binary("MUL", binary("SUB", w.like(1, x), x, w), shifted(x, 1, w), w))


@TFLITE.rule(Asin)
def asin(op: Asin, w: Writer) -> Tensor:
    x = w[op.x]
    return arc_tangent(x, _other_leg(x, w), w)


@TFLITE.rule(Acos)
def acos(op: Acos, w: Writer) -> Tensor:
    x = w[op.x]
    return arc_tangent(_other_leg(x, w), x, w)


@TFLITE.rule(Atan)
def atan(op: Atan, w: Writer) -> Tensor:
    x = w[op.x]
    return arc_tangent(x, w.const(np.ones(_known(x), np.float32)), w)


def arc_tangent(y: Tensor, x: Tensor, w: Writer) -> Tensor:
    """The angle of (x, y)."""
    return w.op("ATAN2", y, x)


def _known(x: Tensor) -> tuple[int, ...]:
    if x.static_dims is None:
        raise Unwritable("ATAN2 broadcasts nothing, and the dims are not known", PIN)
    return x.static_dims


@TFLITE.rule(Sinh)
def sinh(op: Sinh, w: Writer) -> Tensor:
    """(e**|x| - e**-|x|) / 2 with the sign of x; near 0, where that cancels, x + x**3 / 6 + …"""
    x = w[op.x]
    large = scaled(binary("SUB", w.op("EXP", x), w.op("EXP", w.op("NEG", x)), w), 0.5, w)
    near = compared("LESS", w.op("ABS", x), w.like(0.5, x), w)
    return selected(near, _series(x, (1 / 362880, 1 / 5040, 1 / 120, 1 / 6, 1.0), w), large, w)


def _series(x: Tensor, coefficients: tuple[float, ...], w: Writer) -> Tensor:
    """x times a polynomial in x**2, highest power first."""
    square = w.op("SQUARE", x)
    return binary("MUL", x, polynomial(square, coefficients, w), w)


def polynomial(x: Tensor, coefficients: tuple[float, ...], w: Writer) -> Tensor:
    """By Horner's rule, highest power first."""
    y = shifted(scaled(x, coefficients[0], w), coefficients[1], w)
    for coefficient in coefficients[2:]:
        y = shifted(binary("MUL", y, x, w), coefficient, w)
    return y


@TFLITE.rule(Cosh)
def cosh(op: Cosh, w: Writer) -> Tensor:
    x = w[op.x]
    return scaled(binary("ADD", w.op("EXP", x), w.op("EXP", w.op("NEG", x)), w), 0.5, w)


@TFLITE.rule(Asinh)
def asinh(op: Asinh, w: Writer) -> Tensor:
    """log(|x| + sqrt(x**2 + 1)) with the sign of x; near 0 its series."""
    x = w[op.x]
    size = w.op("ABS", x)
    root = w.op("SQRT", shifted(w.op("SQUARE", x), 1, w))
    large = binary("MUL", w.op("SIGN", x), w.op("LOG", binary("ADD", size, root, w)), w)
    near = compared("LESS", size, w.like(0.25, x), w)
    terms = (-63 / 2816, 35 / 1152, -5 / 112, 3 / 40, -1 / 6, 1.0)
    return selected(near, _series(x, terms, w), large, w)


@TFLITE.rule(Acosh)
def acosh(op: Acosh, w: Writer) -> Tensor:
    x = w[op.x]
    square = binary("MUL", shifted(x, -1, w), shifted(x, 1, w), w)
    return w.op("LOG", binary("ADD", x, w.op("SQRT", square), w))


@TFLITE.rule(Atanh)
def atanh(op: Atanh, w: Writer) -> Tensor:
    """log((1 + x) / (1 - x)) / 2; near 0 its series."""
    x = w[op.x]
    ratio = binary("DIV", shifted(x, 1, w), binary("SUB", w.like(1, x), x, w), w)
    large = scaled(w.op("LOG", ratio), 0.5, w)
    near = compared("LESS", w.op("ABS", x), w.like(0.25, x), w)
    return selected(near, _series(x, (1 / 11, 1 / 9, 1 / 7, 1 / 5, 1 / 3, 1.0), w), large, w)


@TFLITE.rule(Erf)
def erf(op: Erf, w: Writer) -> Tensor:
    """From GELU, which is x * (1 + erf(x / sqrt 2)) / 2; near 0, where that is divided by x, its
    series."""
    x = w[op.x]
    wide = scaled(x, 2**0.5, w)
    whole = scaled(binary("DIV", w.op("GELU", wide), wide, w), 2.0, w)
    large = shifted(whole, -1.0, w)
    near = compared("LESS", w.op("ABS", x), w.like(0.5, x), w)
    terms = tuple(2 / pi**0.5 * c for c in (-1 / 1320, 1 / 216, -1 / 42, 1 / 10, -1 / 3, 1.0))
    return selected(near, _series(x, terms, w), large, w)


@TFLITE.rule(IsNan)
def is_nan(op: IsNan, w: Writer) -> Tensor:
    x = w[op.x]
    return compared("NOT_EQUAL", x, x, w)


@TFLITE.rule(IsInf)
def is_inf(op: IsInf, w: Writer) -> Tensor:
    x = w[op.x]
    if not (op.negative or op.positive):
        return compared("LESS", x, w.like(-inf, x), w)
    if op.negative and op.positive:
        return compared("EQUAL", w.op("ABS", x), w.like(inf, x), w)
    return compared("EQUAL", x, w.like(inf if op.positive else -inf, x), w)
