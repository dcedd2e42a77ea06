"""Elementwise functions of one operand."""

from __future__ import annotations

from math import inf, isinf, isnan
from typing import ClassVar

from edgec.ir import dtypes
from edgec.ir.contents import Contents, contents
from edgec.ir.dim_algebra import is_natural
from edgec.ir.dims import Dim
from edgec.ir.dtypes import DType, Family
from edgec.ir.op import Op, OpError, Types, attr, operand
from edgec.ir.ops.common import require_family
from edgec.ir.ops.ratios import Arithmetic, Ratio, Ratios, each, fitting, ratios
from edgec.ir.sampling import FLOATS, NUMERIC, SIGNED, Sampler
from edgec.ir.traits import Elementwise, Idempotent, Linear, Monotone
from edgec.ir.value import Value

FLOAT: tuple[Family, ...] = ("float",)
INTEGER: tuple[Family, ...] = ("int", "uint")
NUMBER: tuple[Family, ...] = ("float", "int", "uint")
ANY_FAMILY: tuple[Family, ...] = ("float", "int", "uint", "bool")
INTEGERS = (dtypes.i8, dtypes.i16, dtypes.i32, dtypes.i64, dtypes.u8, dtypes.u16, dtypes.u32)


class Unary(Arithmetic):
    """Base of the elementwise functions of one operand: the result has the type of x.

    ``accepts`` are the families of element types; samples lie in ``domain``.
    """

    accepts: ClassVar[tuple[Family, ...]] = FLOAT
    sampled: ClassVar[tuple[DType, ...]] = FLOATS
    domain: ClassVar[tuple[float, float]] = (-3.0, 3.0)

    x: Value = operand()

    def infer(self) -> Types:
        require_family(self.x, self.accepts)
        return (self.x.type,)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        return cls(cls.sampled_x(draw))

    @classmethod
    def sampled_x(cls, draw: Sampler) -> Value:
        low, high = cls.domain
        dims = draw.shape(draw.integer(0, 4))
        return draw.value(draw.choice(cls.sampled), dims, low=low, high=high)


class Abs(Unary, name="math.abs", traits=(Elementwise, Idempotent)):
    """y = |x|"""

    accepts = NUMBER
    sampled = NUMERIC

    def contents(self, index: int) -> Contents | None:
        return fitting(each(_abs, contents(self.x)), self.x.type.dtype)


class Neg(Unary, name="math.neg", traits=(Elementwise, Linear("x"))):
    """y = -x"""

    accepts = ("float", "int")
    sampled = SIGNED

    def contents(self, index: int) -> Contents | None:
        return fitting(each(lambda x: -x, contents(self.x)), self.x.type.dtype)


class Exp(Unary, name="math.exp", traits=(Elementwise, Monotone)):
    """y = e**x"""


class Log(Unary, name="math.log", traits=(Elementwise, Monotone)):
    """y = natural logarithm of x"""

    domain = (0.01, 5.0)


class Sqrt(Unary, name="math.sqrt", traits=(Elementwise, Monotone)):
    """y = the square root of x"""

    domain = (0.0, 5.0)


class Reciprocal(Unary, name="math.reciprocal", traits=(Elementwise,)):
    """y = 1 / x"""

    domain = (0.1, 5.0)


class Floor(Unary, name="math.floor", traits=(Elementwise, Idempotent, Monotone)):
    """y = the largest whole number <= x"""

    def ratios(self, depth: int) -> Ratios | None:
        return each(lambda x: Ratio(x.floor()), ratios(self.x, depth))


class Ceil(Unary, name="math.ceil", traits=(Elementwise, Idempotent, Monotone)):
    """y = the smallest whole number >= x"""

    def ratios(self, depth: int) -> Ratios | None:
        return each(lambda x: Ratio(x.ceil()), ratios(self.x, depth))


class Round(Unary, name="math.round", traits=(Elementwise, Idempotent, Monotone)):
    """y = the nearest whole number, halves to the even one"""


class Sign(Unary, name="math.sign", traits=(Elementwise, Idempotent, Monotone)):
    """y = -1, 0 or 1 as x is negative, zero or positive"""

    accepts = NUMBER
    sampled = NUMERIC


class Sin(Unary, name="math.sin", traits=(Elementwise,)):
    """y = sin x (radians)"""


class Cos(Unary, name="math.cos", traits=(Elementwise,)):
    """y = cos x (radians)"""


class Tan(Unary, name="math.tan", traits=(Elementwise,)):
    """y = tan x (radians)"""

    domain = (-1.2, 1.2)


class Asin(Unary, name="math.asin", traits=(Elementwise, Monotone)):
    """y = arcsin x, in -pi/2…pi/2"""

    domain = (-1.0, 1.0)


class Acos(Unary, name="math.acos", traits=(Elementwise,)):
    """y = arccos x, in 0…pi"""

    domain = (-1.0, 1.0)


class Atan(Unary, name="math.atan", traits=(Elementwise, Monotone)):
    """y = arctan x, in -pi/2…pi/2"""


class Sinh(Unary, name="math.sinh", traits=(Elementwise, Monotone)):
    """y = (e**x - e**-x) / 2"""


class Cosh(Unary, name="math.cosh", traits=(Elementwise,)):
    """y = (e**x + e**-x) / 2"""


class Asinh(Unary, name="math.asinh", traits=(Elementwise, Monotone)):
    """y = log(x + sqrt(x**2 + 1))"""


class Acosh(Unary, name="math.acosh", traits=(Elementwise, Monotone)):
    """y = log(x + sqrt(x**2 - 1))"""

    domain = (1.0, 5.0)


class Atanh(Unary, name="math.atanh", traits=(Elementwise, Monotone)):
    """y = log((1 + x) / (1 - x)) / 2"""

    domain = (-0.9, 0.9)


class Erf(Unary, name="math.erf", traits=(Elementwise, Monotone)):
    """y = 2/sqrt(pi) * integral of e**-t**2 over t in 0…x"""


class Not(Unary, name="math.not", traits=(Elementwise,)):
    """y = not x"""

    accepts = ("bool",)
    sampled = (dtypes.boolean,)

    def contents(self, index: int) -> Contents | None:
        return each(lambda x: int(not x), contents(self.x))


class BitNot(Unary, name="math.bit_not", traits=(Elementwise,)):
    """y = x with every bit inverted"""

    accepts = INTEGER
    sampled = INTEGERS


class IsNan(Unary, name="math.is_nan", traits=(Elementwise,)):
    """y = x is not a number"""

    def infer(self) -> Types:
        require_family(self.x, self.accepts)
        return (self.x.type.with_dtype(dtypes.boolean),)


class IsInf(Unary, name="math.is_inf", traits=(Elementwise,)):
    """y = (x = -inf and negative) or (x = inf and positive)"""

    negative: bool = attr(default=True)
    positive: bool = attr(default=True)

    def infer(self) -> Types:
        require_family(self.x, self.accepts)
        return (self.x.type.with_dtype(dtypes.boolean),)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        array = draw.array(draw.choice(FLOATS), draw.shape(draw.integer(1, 3)))
        array.reshape(-1)[:: draw.integer(1, 3)] = draw.choice((inf, -inf))
        return cls(draw.given(array), negative=draw.chance(), positive=draw.chance())


class Clip(Unary, name="math.clip", traits=(Elementwise, Idempotent, Monotone)):
    """y = min(max(x, low), high): high where low > high"""

    accepts = NUMBER
    sampled = NUMERIC

    low: float = attr(default=-inf)
    high: float = attr(default=inf)

    def check(self) -> None:
        real = not self.x.type.dtype.is_integer or self.x.type.quant is not None
        for bound in (self.low, self.high):
            if isnan(bound) or not (real or isinf(bound) or bound.is_integer()):
                raise OpError(f"{bound} is no bound for {self.x.type}")

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        bounds = {"low": float(draw.integer(-3, 1)), "high": float(draw.integer(0, 4))}
        for name in list(bounds):
            if draw.chance(0.3):
                del bounds[name]
        return cls(cls.sampled_x(draw), **bounds)


def _abs(element: Dim) -> Dim | None:
    if is_natural(element):
        return element
    return -element if is_natural(-element) else None
