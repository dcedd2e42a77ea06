"""Matrix products."""

from __future__ import annotations

from edgec.ir import dtypes
from edgec.ir.dims import Dim, could_equal
from edgec.ir.op import Floats, Op, OpError, Types, Work, attr, operand
from edgec.ir.ops.common import broadcast, require_dim, require_family, same_dtype
from edgec.ir.ops.fused import check_fused
from edgec.ir.sampling import FLOATS, Sampler
from edgec.ir.traits import Linear
from edgec.ir.types import TensorType
from edgec.ir.value import Value

Dims = tuple[Dim, ...]


class MatMul(Op, name="linalg.matmul", traits=(Linear("a"),)):
    """y = act(alpha * A B + bias), over the last two axes of a and b; the others broadcast

    A is a, or a with its last two axes swapped (``transpose_a``); B likewise. An operand of rank 1
    is a row on the left, a column on the right, and that axis is left out of y. ``bias``
    broadcasts to y. ``act`` names an activation that follows (see ``ops/fused.py``).
    """

    a: Value = operand()
    b: Value = operand()
    bias: Value | None = operand(default=None)
    transpose_a: bool = attr(default=False)
    transpose_b: bool = attr(default=False)
    alpha: float = attr(default=1.0)
    act: str = attr(default="none")
    act_params: Floats = attr(default=())

    def infer(self) -> Types:
        same_dtype(self.a, self.b, self.bias)
        _require_wide(self.a.type)
        a = matrix_dims(self.a.type, self.transpose_a)
        b = matrix_dims(self.b.type, self.transpose_b)
        if self.b.type.rank == 1:
            b = (b[1], b[0])
        require_dim(b[-2], a[-1], "the second last dimension of b")
        batch = broadcast(self.a.type.with_dims(a[:-2]), self.b.type.with_dims(b[:-2]))
        rows = a[-2:-1] if self.a.type.rank > 1 else ()
        columns = b[-1:] if self.b.type.rank > 1 else ()
        result = self.a.type.with_dims((*batch, *rows, *columns))
        if self.bias is not None:
            _require_broadcast_to(self.bias.type, result)
        return (result,)

    def check(self) -> None:
        check_fused(self.act, self.act_params)
        if self.alpha != 1 and not self.a.type.dtype.is_float:
            raise OpError(f"alpha wants floats, found {self.a.type}")

    def work(self) -> Work:
        depth = TensorType(dtypes.u8, matrix_dims(self.a.type, self.transpose_a)[-1:]).elements()
        return Work(macs=self.result.type.elements() * depth, bytes=super().work().bytes)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dtype = draw.choice((*FLOATS, dtypes.i32))
        rows, depth, columns = draw.shape(3)
        batch = draw.shape(draw.integer(0, 2))
        a_vector, b_vector = draw.chance(0.15), draw.chance(0.15)
        transpose_a = not a_vector and draw.chance(0.3)
        transpose_b = not b_vector and draw.chance(0.3)
        a_batch = tuple(1 if draw.chance(0.2) else dim for dim in batch)
        b_batch = batch[draw.integer(0, len(batch)) :]
        a_dims = (*a_batch, *((depth, rows) if transpose_a else (rows, depth)))
        b_dims = (*b_batch, *((columns, depth) if transpose_b else (depth, columns)))
        a = draw.value(dtype, (depth,) if a_vector else a_dims)
        b = draw.value(dtype, (depth,) if b_vector else b_dims)
        bias = draw.value(dtype, draw.choice(((), (1,) if b_vector else (columns,))))
        scalar_result = a_vector and b.type.rank <= 1
        return cls(
            a, b, None if scalar_result or draw.chance() else bias,
            transpose_a=transpose_a, transpose_b=transpose_b,
            alpha=draw.choice((1.0, 0.5)) if dtype.is_float else 1.0,
        )  # fmt: skip


def matrix_dims(type: TensorType, transpose: bool) -> Dims:
    """Dims with the last two swapped if ``transpose``; a vector is one row. Raises OpError."""
    if type.rank == 0 or (type.rank == 1 and transpose):
        raise OpError(f"a matrix product wants matrices{' to transpose' * transpose}, found {type}")
    dims = type.dims if type.rank > 1 else (1, *type.dims)
    return (*dims[:-2], dims[-1], dims[-2]) if transpose else dims


def _require_wide(type: TensorType) -> None:
    """Products of narrow integers do not fit their type; quantized ones have their own rules."""
    least = 16 if type.dtype.is_float else 32
    if type.quant is None and (type.dtype.family == "bool" or type.dtype.bits < least):
        raise OpError(f"a matrix product wants floats, or integers of 32 or 64 bits, found {type}")


def _require_broadcast_to(type: TensorType, target: TensorType) -> None:
    dims = broadcast(type, target)
    if len(dims) != target.rank or not all(map(could_equal, dims, target.dims)):
        raise OpError(f"bias {type} does not broadcast to {target}")


class Det(Op, name="linalg.det"):
    """y = the determinants of the square matrices in the last two axes"""

    x: Value = operand()

    def infer(self) -> Types:
        require_family(self.x, ("float",))
        if self.x.type.rank < 2:
            raise OpError(f"a determinant wants matrices, found {self.x.type}")
        require_dim(self.x.type.dims[-1], self.x.type.dims[-2], "the number of columns")
        return (self.x.type.with_dims(self.x.type.dims[:-2]),)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        size = draw.integer(1, 4)
        dims = (*draw.shape(draw.integer(0, 2)), size, size)
        return cls(draw.value(draw.choice(FLOATS), dims))
