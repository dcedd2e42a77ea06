"""Reductions along one axis that keep positions, and running sums and products."""

from __future__ import annotations

from edgec.ir import dtypes
from edgec.ir.ops import ArgMax, ArgMin, CumProd, CumSum
from edgec.ir.ops.scan_axis import Running
from edgec.lowering.tensorrt.layers import out
from edgec.lowering.tensorrt.shape import counted
from edgec.lowering.tensorrt.table import TENSORRT, Tensor, limit
from edgec.lowering.tensorrt.writer import Writer


@TENSORRT.rule(ArgMax, ArgMin)
def arg_extreme(op: ArgMax | ArgMin, w: Writer) -> Tensor:
    mode = "MAX" if isinstance(op, ArgMax) else "MIN"
    x = w[op.x]
    if op.last:
        found = extreme_position(_backwards(x, op.axis, w), op.axis, mode, w)
        final = w.binary("SUB", w.size(x, op.axis), w.ints([1]))
        found = w.binary("SUB", final, found)
    else:
        found = extreme_position(x, op.axis, mode, w)
    if op.keepdims:
        return found
    return w.under(found, [dim for axis, dim in enumerate(w.sizes(found)) if axis != op.axis])


def extreme_position(x: Tensor, axis: int, mode: str, w: Writer) -> Tensor:
    """Where along the axis the largest or smallest element is, as i64; the axis stays."""
    return top(x, 1, axis, mode, w)[1]


def top(x: Tensor, count: int | Tensor, axis: int, mode: str, w: Writer) -> list[Tensor]:
    """Values and positions (i64) of so many largest or smallest elements. The layer wants two
    axes, counts in int32, and takes no narrow integers."""
    if len(x.shape) == 1:
        matrix = w.ranked(x, 2)
        return [w.under(y, w.sizes(y)[1:]) for y in top(matrix, count, 1, mode, w)]
    kind = getattr(w.trt.TopKOperation, mode)
    layer = w.net.add_topk(x, kind, count if isinstance(count, int) else 1, 1 << axis)
    if not isinstance(count, int):
        layer.set_input(1, count)
    return [out(layer), w.cast(layer.get_output(1), dtypes.i64)]


def positions(x: Tensor, axis: int, w: Writer) -> Tensor:
    """0, 1, 2, … along an axis, of the rank of x."""
    line = counted(w.size(x, axis), w)
    rank = len(x.shape)
    return w.under(line, [w.sizes(line)[0] if i == axis else 1 for i in range(rank)])


def _backwards(x: Tensor, axis: int, w: Writer) -> Tensor:
    """x from its last element along an axis to its first."""
    start: list[int | Tensor] = [0] * len(x.shape)
    step = [1] * len(x.shape)
    step[axis] = -1
    sizes = w.sizes(x)
    if all(isinstance(size, int) for size in sizes):
        start[axis] = x.shape[axis] - 1
        return w.slice(x, [s for s in start if isinstance(s, int)], x.shape, step)
    start[axis] = w.binary("SUB", w.size(x, axis), w.ints([1]))
    return w.slice_computed(x, w.listed(start), w.listed(sizes), w.ints(step))


@TENSORRT.rule(CumSum)
def cum_sum(op: CumSum, w: Writer) -> Tensor:
    axis, kind = w.const(op.axis, dtypes.i32), w.trt.CumulativeOperation.SUM
    return out(w.net.add_cumulative(w[op.x], axis, kind, op.exclusive, op.reverse))


@limit(CumProd)
def cum_prod_limit(op: CumProd) -> str | None:
    if op.x.type.static_dims is not None:
        return None
    return f"TensorRT has no running product, and the dims of {op.x.type} are not known"


@TENSORRT.rule(CumProd)
def cum_prod(op: CumProd, w: Writer) -> Tensor:
    """By products with itself, shifted 1, 2, 4, … places (Hillis and Steele, "Data parallel
    algorithms", 1986)."""
    y = _shifted(op, w[op.x], 1, w) if op.exclusive else w[op.x]
    distance = 1
    while distance < y.shape[op.axis]:
        y = w.binary("PROD", y, _shifted(op, y, distance, w))
        distance *= 2
    return y


def _shifted(op: Running, x: Tensor, distance: int, w: Writer) -> Tensor:
    """x moved along the axis, ones where it came from."""
    start = [0] * len(x.shape)
    start[op.axis] = distance if op.reverse else -distance
    layer = w.net.add_slice(x, start, [*x.shape], [1] * len(start))
    layer.mode = w.trt.SampleMode.FILL
    layer.set_input(4, w.like(1, x))
    return out(layer)
