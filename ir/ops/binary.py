"""Elementwise functions of two operands, with numpy's broadcasting, and the choice between two."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from edgec.ir import dtypes
from edgec.ir.contents import Contents, contents
from edgec.ir.dim_algebra import is_natural
from edgec.ir.dims import Dim, could_equal, dim_max, dim_min
from edgec.ir.dtypes import DType, Family
from edgec.ir.op import Op, OpError, Types, attr, operand
from edgec.ir.ops.common import broadcast, require_family, same_dtype
from edgec.ir.ops.ratios import Arithmetic, Ratio, Ratios, each, ratios
from edgec.ir.ops.unary import ANY_FAMILY, INTEGER, INTEGERS, NUMBER
from edgec.ir.sampling import NUMERIC, Sampler
from edgec.ir.traits import Commutative, Elementwise, Linear
from edgec.ir.value import Value

UNSIGNED = (dtypes.u8, dtypes.u16, dtypes.u32, dtypes.u64)


class Binary(Arithmetic):
    """Base of the elementwise functions of two operands of one element type.

    ``accepts`` are the families of element types; the samples' y lies in ``domain``.
    """

    accepts: ClassVar[tuple[Family, ...]] = NUMBER
    sampled: ClassVar[tuple[DType, ...]] = NUMERIC
    domain: ClassVar[tuple[float, float]] = (-3.0, 3.0)

    x: Value = operand()
    y: Value = operand()

    def infer(self) -> Types:
        same_dtype(self.x, self.y)
        require_family(self.x, self.accepts)
        return (self.x.type.with_dims(broadcast(self.x.type, self.y.type)),)

    def _each(self, function: Callable[[Dim, Dim], Dim | None]) -> Contents | None:
        """``function`` of the elements of both operands, where they are known."""
        found = contents(self.x)
        return None if found is None else each(function, found, contents(self.y))

    def _each_ratio(
        self, function: Callable[[Ratio, Ratio], Ratio | None], depth: int
    ) -> Ratios | None:
        found = ratios(self.x, depth)
        return None if found is None else each(function, found, ratios(self.y, depth))

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        return cls(*cls.sampled_operands(draw))

    @classmethod
    def sampled_operands(cls, draw: Sampler) -> tuple[Value, Value]:
        dtype = draw.choice(cls.sampled)
        x_dims, y_dims = broadcast_shapes(draw)
        low, high = cls.domain
        return draw.value(dtype, x_dims), draw.value(dtype, y_dims, low=low, high=high)


def broadcast_shapes(draw: Sampler) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes that broadcast: some dims 1 on either side, one possibly of smaller rank."""
    full = draw.shape(draw.integer(0, 4))
    pair = [tuple(1 if draw.chance(0.2) else dim for dim in full) for _ in range(2)]
    shortened = draw.integer(0, 1)
    pair[shortened] = pair[shortened][draw.integer(0, len(full)) :]
    return pair[0], pair[1]


class Add(Binary, name="math.add", traits=(Elementwise, Commutative)):
    """z = x + y"""

    def contents(self, index: int) -> Contents | None:
        return self._each(lambda x, y: x + y)

    def ratios(self, depth: int) -> Ratios | None:
        return self._each_ratio(lambda x, y: x + y, depth)


class Sub(Binary, name="math.sub", traits=(Elementwise,)):
    """z = x - y"""

    def contents(self, index: int) -> Contents | None:
        return self._each(lambda x, y: x - y)

    def ratios(self, depth: int) -> Ratios | None:
        return self._each_ratio(lambda x, y: x - y, depth)


class Mul(Binary, name="math.mul", traits=(Elementwise, Commutative, Linear("x"))):
    """z = x * y"""

    def contents(self, index: int) -> Contents | None:
        return self._each(lambda x, y: x * y)

    def ratios(self, depth: int) -> Ratios | None:
        return self._each_ratio(lambda x, y: x * y, depth)


class Div(Binary, name="math.div", traits=(Elementwise, Linear("x"))):
    """z = x / y, truncated towards zero for integers (0 where an integer y is 0)"""

    domain = (1.0, 4.0)

    def contents(self, index: int) -> Contents | None:
        return self._each(_truncated_quotient)

    def ratios(self, depth: int) -> Ratios | None:
        return self._each_ratio(Ratio.over, depth)


class Pow(Binary, name="math.pow", traits=(Elementwise,)):
    """z = x ** y, of the element type of x"""

    domain = (0.0, 3.0)

    def infer(self) -> Types:
        for value in (self.x, self.y):
            require_family(value, self.accepts)
        return (self.x.type.with_dims(broadcast(self.x.type, self.y.type)),)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        x_dims, y_dims = broadcast_shapes(draw)
        x_type, y_type = draw.choice(POW_TYPES)
        x = draw.value(x_type, x_dims, low=0.1 if y_type.is_float else -3.0)
        return cls(x, draw.value(y_type, y_dims, low=0.0))


POW_TYPES = (
    (dtypes.f32, dtypes.f32),
    (dtypes.f64, dtypes.f64),
    (dtypes.f16, dtypes.f16),
    (dtypes.f32, dtypes.i64),
    (dtypes.i32, dtypes.i32),
    (dtypes.i64, dtypes.i32),
)


class Mod(Binary, name="math.mod", traits=(Elementwise,)):
    """z = x - floor(x / y) * y, of the sign of y; with ``fmod`` x - trunc(x / y) * y, of that of x
    (0 where an integer y is 0)"""

    domain = (1.0, 4.0)

    fmod: bool = attr(default=False)

    def contents(self, index: int) -> Contents | None:
        return self._each(self._remainder)

    def _remainder(self, x: Dim, y: Dim) -> Dim | None:
        if self.fmod and not (is_natural(x) and is_natural(y)):
            return None
        return x % y if _is_positive(y) else None

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        return cls(*cls.sampled_operands(draw), fmod=draw.chance())


class Minimum(Binary, name="math.minimum", traits=(Elementwise, Commutative)):
    """z = the smaller of x and y, NaN where either is"""

    def contents(self, index: int) -> Contents | None:
        return self._each(dim_min)


class Maximum(Binary, name="math.maximum", traits=(Elementwise, Commutative)):
    """z = the larger of x and y, NaN where either is"""

    def contents(self, index: int) -> Contents | None:
        return self._each(dim_max)


class Comparison(Binary):
    """Base of the comparisons: the result is bool."""

    def infer(self) -> Types:
        same_dtype(self.x, self.y)
        require_family(self.x, self.accepts)
        dims = broadcast(self.x.type, self.y.type)
        return (self.x.type.with_dims(dims).with_dtype(dtypes.boolean),)


class Equal(Comparison, name="math.equal", traits=(Elementwise, Commutative)):
    """z = (x = y)"""

    accepts = ANY_FAMILY
    sampled = (*NUMERIC, dtypes.boolean)

    def contents(self, index: int) -> Contents | None:
        return self._each(_equal)


class Less(Comparison, name="math.less", traits=(Elementwise,)):
    """z = (x < y)"""

    def contents(self, index: int) -> Contents | None:
        return self._each(_less)


class LessEqual(Comparison, name="math.less_equal", traits=(Elementwise,)):
    """z = (x <= y)"""

    def contents(self, index: int) -> Contents | None:
        return self._each(lambda x, y: _negated(_less(y, x)))


class Greater(Comparison, name="math.greater", traits=(Elementwise,)):
    """z = (x > y)"""

    def contents(self, index: int) -> Contents | None:
        return self._each(lambda x, y: _less(y, x))


class GreaterEqual(Comparison, name="math.greater_equal", traits=(Elementwise,)):
    """z = (x >= y)"""

    def contents(self, index: int) -> Contents | None:
        return self._each(lambda x, y: _negated(_less(x, y)))


class Logical(Binary):
    """Base of the functions of two bools."""

    accepts = ("bool",)
    sampled = (dtypes.boolean,)


class And(Logical, name="math.and", traits=(Elementwise, Commutative)):
    """z = x and y"""

    def contents(self, index: int) -> Contents | None:
        return self._each(dim_min)


class Or(Logical, name="math.or", traits=(Elementwise, Commutative)):
    """z = x or y"""

    def contents(self, index: int) -> Contents | None:
        return self._each(dim_max)


class Xor(Logical, name="math.xor", traits=(Elementwise, Commutative)):
    """z = either x or y"""

    def contents(self, index: int) -> Contents | None:
        return self._each(lambda x, y: int(x != y))


class Bitwise(Binary):
    """Base of the functions of the bits of two integers."""

    accepts = INTEGER
    sampled = INTEGERS


class BitAnd(Bitwise, name="math.bit_and", traits=(Elementwise, Commutative)):
    """z = the bits set in both x and y"""


class BitOr(Bitwise, name="math.bit_or", traits=(Elementwise, Commutative)):
    """z = the bits set in x or y"""


class BitXor(Bitwise, name="math.bit_xor", traits=(Elementwise, Commutative)):
    """z = the bits set in either x or y"""


class Shift(Bitwise, name="math.shift", traits=(Elementwise,)):
    """z = x * 2**y if ``left``, else floor(x / 2**y); a y outside the width shifts out every bit"""

    sampled = (*UNSIGNED, dtypes.i8, dtypes.i32, dtypes.i64)
    domain = (0.0, 9.0)

    left: bool = attr()

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        return cls(*cls.sampled_operands(draw), left=draw.chance())


class Where(Arithmetic, name="math.where", traits=(Elementwise,)):
    """z = x where cond, else y; all three broadcast"""

    cond: Value = operand()
    x: Value = operand()
    y: Value = operand()

    def infer(self) -> Types:
        require_family(self.cond, ("bool",))
        same_dtype(self.x, self.y)
        dims = broadcast(self.cond.type, self.x.type, self.y.type)
        return (self.x.type.with_dims(dims),)

    def check(self) -> None:
        if self.x.type.quant != self.y.type.quant:
            raise OpError(f"x and y want one quantization, found {self.x.type} and {self.y.type}")

    def contents(self, index: int) -> Contents | None:
        found = contents(self.cond)
        if found is None:
            return None
        return each(lambda c, x, y: x if c else y, found, contents(self.x), contents(self.y))

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dtype = draw.choice((*NUMERIC, dtypes.boolean))
        x_dims, y_dims = broadcast_shapes(draw)
        cond_dims = draw.choice((x_dims, y_dims, ()))
        cond = draw.value(dtypes.boolean, cond_dims)
        return cls(cond, draw.value(dtype, x_dims), draw.value(dtype, y_dims))


def _is_positive(dim: Dim) -> bool:
    return is_natural(dim - 1)


def _truncated_quotient(x: Dim, y: Dim) -> Dim | None:
    if not _is_positive(y):
        return None
    if is_natural(x):
        return x // y
    return -(-x // y) if is_natural(-x) else None


def _equal(x: Dim, y: Dim) -> Dim | None:
    if x == y:
        return 1
    return None if could_equal(x, y) else 0


def _less(x: Dim, y: Dim) -> Dim | None:
    if _is_positive(y - x):
        return 1
    return 0 if is_natural(x - y) else None


def _negated(known: Dim | None) -> Dim | None:
    return None if known is None else 1 - known
