"""Arithmetic of two operands, with numpy's broadcasting."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from edgec.ir import dtypes
from edgec.ir.contents import Contents, contents
from edgec.ir.dim_algebra import is_natural
from edgec.ir.dims import Dim, dim_max, dim_min
from edgec.ir.dtypes import DType, Family
from edgec.ir.op import Op, Types, attr, operand
from edgec.ir.ops.common import broadcast, require_family, same_dtype
from edgec.ir.ops.ratios import Arithmetic, Ratio, Ratios, each, fitting, ratios
from edgec.ir.ops.unary import NUMBER
from edgec.ir.sampling import NUMERIC, Sampler
from edgec.ir.traits import Commutative, Elementwise, Linear
from edgec.ir.value import Value


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
        """``function`` of the elements of both operands, where they are known and do not wrap."""
        found = contents(self.x)
        if found is None:
            return None
        return fitting(each(function, found, contents(self.y)), self.result.type.dtype)

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


def _is_positive(dim: Dim) -> bool:
    return is_natural(dim - 1)


def _truncated_quotient(x: Dim, y: Dim) -> Dim | None:
    if not _is_positive(y):
        return None
    if is_natural(x):
        return x // y
    return -(-x // y) if is_natural(-x) else None
