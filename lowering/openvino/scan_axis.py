"""Reductions along one axis that keep positions, and running sums and products."""

from __future__ import annotations

from edgec.ir import dtypes
from edgec.ir.ops import ArgMax, ArgMin, CumProd, CumSum
from edgec.lowering.openvino.shape import size_of
from edgec.lowering.openvino.table import OPENVINO, Output, limit
from edgec.lowering.openvino.writer import Writer


@OPENVINO.rule(ArgMax, ArgMin)
def arg_extreme(op: ArgMax | ArgMin, w: Writer) -> Output:
    mode = "max" if isinstance(op, ArgMax) else "min"
    if op.last:
        found = extreme_position(backwards(w[op.x], op.axis, w), op.axis, mode, w)
        final = w.ops.subtract(size_of(op.x, op.axis, w), w.ints([1]))
        found = w.ops.subtract(final, found)
    else:
        found = extreme_position(w[op.x], op.axis, mode, w)
    return found if op.keepdims else w.ops.squeeze(found, w.ints([op.axis]))


def extreme_position(x: Output, axis: int, mode: str, w: Writer) -> Output:
    """Where along the axis the (first) largest or smallest element is; the axis stays."""
    top = w.ops.topk(x, w.const(1, dtypes.i64), axis, mode, "value", "i64", stable=True)
    return top.output(1)


def backwards(x: Output, axis: int, w: Writer) -> Output:
    """x from its last element along an axis to its first."""
    bounds = [w.ints([number]) for number in (-1, -(2**31), -1, axis)]
    return w.ops.slice(x, *bounds)


@OPENVINO.rule(CumSum)
def cum_sum(op: CumSum, w: Writer) -> Output:
    return w.ops.cum_sum(w[op.x], w.const(op.axis, dtypes.i64), op.exclusive, op.reverse)


@limit(CumProd)
def cum_prod_limit(op: CumProd) -> str | None:
    if isinstance(op.x.type.dims[op.axis], int):
        return None
    return f"OpenVINO has no running product, and the length of axis {op.axis} is not known"


@OPENVINO.rule(CumProd)
def cum_prod(op: CumProd, w: Writer) -> Output:
    """By products with itself, shifted 1, 2, 4, … places (Hillis and Steele, "Data parallel
    algorithms", 1986)."""
    size = op.x.type.dims[op.axis]
    assert isinstance(size, int)
    y = _shifted(op, w[op.x], 1, w) if op.exclusive else w[op.x]
    distance = 1
    while distance < size:
        y = w.ops.multiply(y, _shifted(op, y, distance, w))
        distance *= 2
    return y


def _shifted(op: CumProd, x: Output, distance: int, w: Writer) -> Output:
    """x moved along the axis, ones where it came from."""
    begin, end = [0] * op.x.type.rank, [0] * op.x.type.rank
    sign = -1 if op.reverse else 1
    begin[op.axis], end[op.axis] = sign * distance, -sign * distance
    return w.ops.pad(x, w.ints(begin), w.ints(end), "constant", w.like(1, op.x))
