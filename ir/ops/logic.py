"""Comparisons, functions of bools and of bits, and the choice between two operands."""

from __future__ import annotations

from edgec.ir import dtypes
from edgec.ir.contents import Contents, contents
from edgec.ir.dim_algebra import is_natural
from edgec.ir.dims import Dim, could_equal, dim_max, dim_min
from edgec.ir.op import Op, OpError, Types, attr, operand
from edgec.ir.ops.binary import Binary, broadcast_shapes
from edgec.ir.ops.common import broadcast, require_family, same_dtype
from edgec.ir.ops.ratios import Arithmetic, each
from edgec.ir.ops.unary import ANY_FAMILY, INTEGER, INTEGERS
from edgec.ir.sampling import NUMERIC, Sampler
from edgec.ir.traits import Commutative, Elementwise
from edgec.ir.value import Value

UNSIGNED = (dtypes.u8, dtypes.u16, dtypes.u32, dtypes.u64)


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


def _equal(x: Dim, y: Dim) -> Dim | None:
    if x == y:
        return 1
    return None if could_equal(x, y) else 0


def _less(x: Dim, y: Dim) -> Dim | None:
    if is_natural(y - x - 1):
        return 1
    return 0 if is_natural(x - y) else None


def _negated(known: Dim | None) -> Dim | None:
    return None if known is None else 1 - known
