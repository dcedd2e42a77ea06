"""Ops that compute with shapes, and ops that make tensors of a computed shape."""

from __future__ import annotations

from edgec.ir import Value, dtypes, known_ints
from edgec.ir.ops import CountOf, DimsOf, Fill, Range
from edgec.lowering.tensorrt.layers import out
from edgec.lowering.tensorrt.table import TENSORRT, Tensor, limit
from edgec.lowering.tensorrt.writer import Writer


@TENSORRT.rule(DimsOf)
def dims_of(op: DimsOf, w: Writer) -> Tensor:
    end = op.x.type.rank if op.end is None else op.end
    whole = w.shape(w[op.x])
    if end - op.start == op.x.type.rank:
        return whole
    return w.slice(whole, [op.start], [end - op.start], [1])


@TENSORRT.rule(CountOf)
def count_of(op: CountOf, w: Writer) -> Tensor:
    if not op.x.type.rank:
        return w.const(1, dtypes.i64)
    return w.reduce("PROD", w.shape(w[op.x]), (0,), False)


@TENSORRT.rule(Fill)
def fill(op: Fill, w: Writer) -> Tensor:
    return w.expand(w.const(op.value, op.dtype), dims_in(op.shape, w))


def dims_in(shape: Value, w: Writer) -> list[int | Tensor]:
    """The elements of a 1-D i64 value: ints where they are known, else i64[1] tensors."""
    known = known_ints(shape)
    if known is not None:
        return [*known]
    [count] = shape.type.dims
    assert isinstance(count, int), "its length is the rank of a result"
    return [w.slice(w[shape], [i], [1], [1]) for i in range(count)]


def counted(size: Tensor, w: Writer) -> Tensor:
    """0, 1, 2, … size - 1 as i64, of a size that is i64[1]."""
    return linspace(size, w.const(0, dtypes.i64), w.ints([1]), w)


def linspace(size: Tensor, start: Tensor, step: Tensor, w: Writer) -> Tensor:
    """start, start + step, … ; ``start`` is a scalar and ``step`` has one element."""
    layer = w.net.add_fill([1], w.trt.FillOperation.LINSPACE, start.dtype)
    layer.set_input(0, size)
    layer.set_input(1, start)
    layer.set_input(2, step)
    return out(layer)


@limit(Range)
def range_limit(op: Range) -> str | None:
    dtype = op.start.type.dtype
    if dtype in (dtypes.i32, dtypes.i64) or isinstance(op.result.type.dims[0], int):
        return None
    return f"the length of a range of {dtype.name} is computed at run time"


@TENSORRT.rule(Range)
def range_(op: Range, w: Writer) -> Tensor:
    """max(ceil((limit - start) / delta), 0) numbers."""
    start, limit, delta = (w.reshape(w[value], (1,)) for value in op.present_operands)
    known = op.result.type.dims[0]
    if isinstance(known, int):
        return linspace(w.ints([known]), w.reshape(start, ()), delta, w)
    down = w.binary("FLOOR_DIV", w.binary("SUB", start, limit), delta)
    count = w.cast(w.binary("SUB", w.like([0], down), down), dtypes.i64)
    return linspace(w.binary("MAX", count, w.ints([0])), w.reshape(start, ()), delta, w)
