"""Ops that select elements by what they are."""

from __future__ import annotations

from edgec.ir import dtypes, known_ints
from edgec.ir.ops import Compress, EyeLike, NonZero, OneHot, TopK, Trilu, Unique
from edgec.lowering.openvino.shape import size_of
from edgec.lowering.openvino.table import OPENVINO, Output, limit
from edgec.lowering.openvino.writer import TYPE_NAMES, Writer


def _scalar(x: Output, w: Writer) -> Output:
    return w.ops.reshape(x, w.ints([]), False)


@OPENVINO.rule(TopK)
def top_k(op: TopK, w: Writer) -> list[Output]:
    mode = "max" if op.largest else "min"
    count = _scalar(w[op.k], w)
    node = w.ops.topk(w[op.x], count, op.axis, mode, "value", "i64", stable=True)
    return [*node.outputs()]


@OPENVINO.rule(OneHot)
def one_hot(op: OneHot, w: Writer) -> Output:
    """Negative indices count from the end, which the operator does not know."""
    depth = _scalar(w[op.depth], w)
    if op.depth.type.dtype is not dtypes.i64:
        depth = w.convert(depth, dtypes.i64)
    given = w.convert(w[op.indices], dtypes.i64)
    negative = w.ops.less(given, w.const(0, dtypes.i64))
    indices = w.ops.select(negative, w.ops.add(given, depth), given)
    first = w.const(0, dtypes.i64)
    off, on = (w.ops.gather(w[op.values], w.const(i, dtypes.i64), first) for i in (0, 1))
    return w.ops.one_hot(indices, depth, on, off, op.axis)


@limit(NonZero)
def non_zero_limit(op: NonZero) -> str | None:
    return None if op.x.type.rank else "NonZero counts no axes of a scalar"


@OPENVINO.rule(NonZero)
def non_zero(op: NonZero, w: Writer) -> Output:
    return w.ops.non_zero(w[op.x], "i64")


@limit(Unique)
def unique_limit(op: Unique) -> str | None:
    return None if op.axis is None else "Unique does not find the first occurrences of slices"


@OPENVINO.rule(Unique)
def unique(op: Unique, w: Writer) -> list[Output]:
    axis = None if op.axis is None else w.const(op.axis, dtypes.i64)
    return [*w.ops.unique(w[op.x], axis, op.sorted, "i64", "i64").outputs()]


@OPENVINO.rule(Trilu)
def trilu(op: Trilu, w: Writer) -> Output:
    """By comparing the numbers of rows and columns."""
    rank = op.x.type.rank
    rows, columns = (_counted(size_of(op.x, axis, w), w) for axis in (rank - 2, rank - 1))
    offset = w.const(0, dtypes.i64) if op.k is None else _scalar(w[op.k], w)
    diagonal = w.ops.add(w.ops.unsqueeze(rows, w.ints([1])), offset)
    compare = w.ops.greater_equal if op.upper else w.ops.less_equal
    return w.ops.select(compare(columns, diagonal), w[op.x], w.like(0, op.x))


def _counted(size: Output, w: Writer) -> Output:
    """0, 1, 2, … size - 1"""
    zero, one = w.const(0, dtypes.i64), w.const(1, dtypes.i64)
    return w.ops.range(zero, _scalar(size, w), one, "i64")


@limit(Compress)
def compress_limit(op: Compress) -> str | None:
    """Gather of no positions is a division by zero that ends the process (2026.4.1)."""
    if known_ints(op.condition) is not None:
        return None
    return "the condition is computed at run time, and the plugin cannot gather nothing"


@OPENVINO.rule(Compress)
def compress(op: Compress, w: Writer) -> Output:
    kept = known_ints(op.condition) or ()
    places = w.ints([place for place, keep in enumerate(kept) if keep])
    if op.axis is None:
        flat = w.ops.reshape(w[op.x], w.ints([-1]), False)
        return w.ops.gather(flat, places, w.const(0, dtypes.i64))
    return w.ops.gather(w[op.x], places, w.const(op.axis, dtypes.i64))


@OPENVINO.rule(EyeLike)
def eye_like(op: EyeLike, w: Writer) -> Output:
    rows, columns = (_scalar(size_of(op.x, axis, w), w) for axis in (0, 1))
    return w.ops.eye(rows, columns, w.const(op.k, dtypes.i64), TYPE_NAMES[op.dtype])
