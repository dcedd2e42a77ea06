"""Ops that move elements and compute nothing."""

from __future__ import annotations

from edgec.ir import Constant, DimExpr, Ints, dtypes, known_ints
from edgec.ir.ops import (
    Concat,
    DepthToSpace,
    Expand,
    Pad,
    Reshape,
    ReverseSequence,
    Slice,
    SpaceToDepth,
    Split,
    Tile,
    Transpose,
)
from edgec.lowering.openvino.layouts import as_given, channels_first
from edgec.lowering.openvino.shape import size_of
from edgec.lowering.openvino.table import OPENVINO, Output, limit
from edgec.lowering.openvino.writer import Writer


@OPENVINO.rule(Reshape)
def reshape(op: Reshape, w: Writer) -> Output:
    if op.to is None:
        assert op.shape is not None
        return w.ops.reshape(w[op.x], w[op.shape], False)
    rest = [axis for axis, dim in enumerate(op.to) if isinstance(dim, DimExpr)]
    if len(rest) <= 1 and not (rest and 0 in op.to):
        plain = [-1 if axis in rest else dim for axis, dim in enumerate(op.to)]
        return w.ops.reshape(w[op.x], w.ints([d for d in plain if isinstance(d, int)]), False)
    return w.ops.reshape(w[op.x], _computed_shape(op, w), False)


def _computed_shape(op: Reshape, w: Writer) -> Output:
    """The shape from the dims of x that the target names."""
    source, parts = [*op.x.type.dims], []
    for dim in op.to or ():
        if isinstance(dim, int):
            parts.append(w.ints([dim]))
        else:
            known = dim in source
            parts.append(size_of(op.x, source.index(dim), w) if known else w.ints([-1]))
    return w.ops.concat(parts, 0)


@OPENVINO.rule(Transpose)
def transpose(op: Transpose, w: Writer) -> Output:
    return w.ops.transpose(w[op.x], w.ints(op.perm))


@OPENVINO.rule(Concat)
def concat(op: Concat, w: Writer) -> Output:
    return w.ops.concat([w[x] for x in op.xs], op.axis)


@OPENVINO.rule(Expand)
def expand(op: Expand, w: Writer) -> Output:
    if not op.result.type.rank:
        return w[op.x]
    return w.ops.broadcast(w[op.x], w[op.shape], broadcast_spec="BIDIRECTIONAL")


@OPENVINO.rule(Tile)
def tile(op: Tile, w: Writer) -> Output:
    return w.ops.tile(w[op.x], w[op.repeats])


@OPENVINO.rule(Slice)
def slice_(op: Slice, w: Writer) -> Output:
    steps = w.ints([1] * len(op.axes)) if op.steps is None else w[op.steps]
    return w.ops.slice(w[op.x], w[op.starts], w[op.ends], steps, w.ints(op.axes))


@OPENVINO.rule(Split)
def split(op: Split, w: Writer) -> list[Output]:
    axis = w.const(op.axis, dtypes.i64)
    sizes = op.sizes or _part_sizes(op)
    if sizes is None:
        node = w.ops.split(w[op.x], axis, op.parts)
    else:
        node = w.ops.variadic_split(w[op.x], axis, w.ints(sizes))
    return [*node.outputs()]


def _part_sizes(op: Split) -> Ints | None:
    """The sizes of uneven parts; None when all are equal."""
    if op.x.type.dims[op.axis] % op.parts == 0:
        return None
    return tuple(dim for dim in op.part_dims if isinstance(dim, int))


@limit(Split)
def split_limit(op: Split) -> str | None:
    size = op.x.type.dims[op.axis]
    if op.sizes is not None or isinstance(size, int) or size % op.parts == 0:
        return None
    return f"whether {size} splits into {op.parts} equal parts is not known"


@limit(Pad)
def pad_limit(op: Pad) -> str | None:
    pads = known_ints(op.pads)
    if pads is None:
        return None if op.axes is None and op.mode != "wrap" else "pads are computed at run time"
    if op.mode == "reflect" and min(pads, default=0) < 0:
        return "Pad mirrors what it has cut off"
    if op.mode == "wrap":
        dims = [op.x.type.dims[axis] for axis in op.padded_axes] * 2
        fits = all(isinstance(d, int) and 0 <= p <= d for p, d in zip(pads, dims, strict=True))
        return None if fits else "Pad wraps around once at most, by known dims, and crops nothing"
    return None


@OPENVINO.rule(Pad)
def pad(op: Pad, w: Writer) -> Output:
    rank, pads = op.x.type.rank, known_ints(op.pads)
    if pads is None:
        begin, end = (
            w.ops.slice(w[op.pads], *(w.ints([n]) for n in (start, start + rank, 1)))
            for start in (0, rank)
        )
        return _padded(op, w[op.x], begin, end, w)
    begins, ends = [0] * rank, [0] * rank
    count = len(op.padded_axes)
    for i, axis in enumerate(op.padded_axes):
        begins[axis], ends[axis] = pads[i], pads[i + count]
    if op.mode == "wrap":
        return _wrapped(op, begins, ends, w)
    return _padded(op, w[op.x], w.ints(begins), w.ints(ends), w)


def _padded(op: Pad, x: Output, begin: Output, end: Output, w: Writer) -> Output:
    if op.mode != "constant":
        return w.ops.pad(x, begin, end, op.mode)
    if op.value is None or isinstance(op.value, Constant):
        value = w.like(0, op.x) if op.value is None else w.reshaped(op.value, ())
        return w.ops.pad(x, begin, end, "constant", value)
    # The plugin takes 0 for a value that is not a constant (2026.4.1).
    zero = w.const(0, dtypes.i32)
    ones = w.ops.broadcast(w.const(1, dtypes.i32), w.ops.shape_of(x, "i64"))
    is_new = w.ops.equal(w.ops.pad(ones, begin, end, "constant", zero), zero)
    y = w.ops.pad(x, begin, end, "constant", w.like(0, op.x))
    return w.ops.select(is_new, w.reshaped(op.value, ()), y)


def _wrapped(op: Pad, begins: list[int], ends: list[int], w: Writer) -> Output:
    """What lies at the other end, axis by axis, put in front and behind."""
    y = w[op.x]
    for axis, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        size = op.x.type.dims[axis]
        if not (begin or end) or not isinstance(size, int):
            continue
        cuts = [(size - begin, size), (0, size), (0, end)]
        parts = [
            w.ops.slice(y, *(w.ints([n]) for n in (first, last, 1, axis)))
            for first, last in cuts
            if first < last
        ]
        y = w.ops.concat(parts, axis)
    return y


_ORDERS = {"dcr": "blocks_first", "crd": "depth_first"}


@OPENVINO.rule(DepthToSpace)
def depth_to_space(op: DepthToSpace, w: Writer) -> Output:
    y = w.ops.depth_to_space(channels_first(op.x, op.layout, w), _ORDERS[op.mode], op.block)
    return as_given(y, op.x.type.rank, op.layout, w)


@OPENVINO.rule(SpaceToDepth)
def space_to_depth(op: SpaceToDepth, w: Writer) -> Output:
    y = w.ops.space_to_depth(channels_first(op.x, op.layout, w), _ORDERS[op.mode], op.block)
    return as_given(y, op.x.type.rank, op.layout, w)


@OPENVINO.rule(ReverseSequence)
def reverse_sequence(op: ReverseSequence, w: Writer) -> Output:
    return w.ops.reverse_sequence(w[op.x], w[op.lens], op.batch_axis, op.time_axis)
