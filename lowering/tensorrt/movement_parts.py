"""Ops that cut tensors into parts, pad them, and turn parts around."""

from __future__ import annotations

from edgec.ir import dtypes, known_ints
from edgec.ir.ops import Pad, ReverseSequence, Slice, Split
from edgec.ir.ops.movement_parts import slices
from edgec.lowering.tensorrt.layers import out
from edgec.lowering.tensorrt.table import TENSORRT, Tensor, limit
from edgec.lowering.tensorrt.writer import Writer

MODES = {"constant": "FILL", "reflect": "REFLECT", "edge": "CLAMP", "wrap": "WRAP"}


@limit(Slice)
def slice_limit(op: Slice) -> str | None:
    if op.steps is None or known_ints(op.steps) is not None:
        return None
    return "the steps of a slice are computed at run time"


@TENSORRT.rule(Slice)
def slice_(op: Slice, w: Writer) -> Tensor:
    dims, starts, ends = op.x.type.static_dims, known_ints(op.starts), known_ints(op.ends)
    steps = (1,) * len(op.axes) if op.steps is None else known_ints(op.steps)
    assert steps is not None, "the limit says so"
    if dims is None or starts is None or ends is None:
        return _computed(op, steps, w)
    cuts = slices(dims, op.axes, starts, ends, steps)
    ranges = [range(*cut.indices(dim)) for cut, dim in zip(cuts, dims, strict=True)]
    first = [cut.start if len(cut) else 0 for cut in ranges]
    return w.slice(w[op.x], first, [*map(len, ranges)], [cut.step for cut in ranges])


def _computed(op: Slice, steps: tuple[int, ...], w: Writer) -> Tensor:
    """Start and number of elements by ONNX's clamping, with shape arithmetic."""
    x = w[op.x]
    first: list[int | Tensor] = [0] * op.x.type.rank
    count = w.sizes(x)
    strides = [1] * op.x.type.rank
    for i, axis in enumerate(op.axes):
        bounds = [_element(value, i, w) for value in (op.starts, op.ends)]
        first[axis], count[axis] = _bounds(x, axis, bounds, steps[i], w)
        strides[axis] = steps[i]
    return w.slice_computed(x, w.listed(first), w.listed(count), w.ints(strides))


def _element(value: object, index: int, w: Writer) -> Tensor:
    known = known_ints(value)  # type: ignore[arg-type]  # a Value
    if known is not None:
        return w.ints([min(max(known[index], -(2**31)), 2**31 - 1)])
    tensor = w.cast(w[value], dtypes.i64)  # type: ignore[index]  # a Value
    return w.slice(tensor, [index], [1], [1])


def _bounds(
    x: Tensor, axis: int, bounds: list[Tensor], step: int, w: Writer
) -> tuple[Tensor, Tensor]:
    """The first index and the number of elements, both i64[1]."""
    size, zero, one = w.size(x, axis), w.ints([0]), w.ints([1])
    start, end = (
        w.select(w.binary("LESS", bound, zero), w.binary("SUM", bound, size), bound)
        for bound in bounds
    )
    last = size if step > 0 else w.binary("SUB", size, one)
    low = zero if step > 0 else w.ints([-1])
    start = w.binary("MIN", w.binary("MAX", start, zero), last)
    end = w.binary("MIN", w.binary("MAX", end, low), last)
    span = w.binary("SUB", end, start) if step > 0 else w.binary("SUB", start, end)
    padded = w.binary("SUM", span, w.ints([abs(step) - 1]))
    count = w.binary("MAX", w.binary("FLOOR_DIV", padded, w.ints([abs(step)])), zero)
    return start, count


@TENSORRT.rule(Split)
def split(op: Split, w: Writer) -> list[Tensor]:
    x = w[op.x]
    axis = op.axis % op.x.type.rank
    sizes = _part_sizes(op, x, axis, w)
    parts, start = [], w.ints([0])
    for size in sizes:
        parts.append(_part(x, axis, start, size, w))
        start = w.binary("SUM", start, size if not isinstance(size, int) else w.ints([size]))
    return parts


def _part_sizes(op: Split, x: Tensor, axis: int, w: Writer) -> list[int | Tensor]:
    known = [dim for dim in op.part_dims if isinstance(dim, int)]
    if len(known) == len(op.part_dims):
        return [*known]
    size, parts = w.size(x, axis), w.ints([op.parts])
    padded = w.binary("SUM", size, w.ints([op.parts - 1]))
    each = w.binary("FLOOR_DIV", padded, parts)
    before = w.binary("PROD", each, w.ints([op.parts - 1]))
    return [*[each] * (op.parts - 1), w.binary("SUB", size, before)]


def _part(x: Tensor, axis: int, start: Tensor, size: int | Tensor, w: Writer) -> Tensor:
    first: list[int | Tensor] = [0] * len(x.shape)
    count = w.sizes(x)
    first[axis], count[axis] = start, size
    return w.slice_computed(x, w.listed(first), w.listed(count), w.ints([1] * len(first)))


@limit(Pad)
def pad_limit(op: Pad) -> str | None:
    pads = known_ints(op.pads)
    if pads is None:
        return None if op.axes is None else "pads of some axes are computed at run time"
    if op.mode == "constant" or min(pads, default=0) >= 0:
        return _wrapped_limit(op, pads) if op.mode in ("wrap", "reflect") else None
    return f"a slice repeats what it has cut off (mode {op.mode!r})"


def _wrapped_limit(op: Pad, pads: tuple[int, ...]) -> str | None:
    dims = [op.x.type.dims[axis] for axis in op.padded_axes] * 2
    if all(pad == 0 or not isinstance(dim, int) or pad < dim + (op.mode == "wrap")
           for pad, dim in zip(pads, dims, strict=True)):  # fmt: skip
        return None
    return f"a slice goes around once at most (mode {op.mode!r})"


@TENSORRT.rule(Pad)
def pad(op: Pad, w: Writer) -> Tensor:
    """A slice that begins before the first element and ends behind the last one."""
    x, rank, pads = w[op.x], op.x.type.rank, known_ints(op.pads)
    if pads is None:
        begin, end = (w.slice(w[op.pads], [first], [rank], [1]) for first in (0, rank))
        size = w.binary("SUM", w.binary("SUM", w.shape(x), begin), end)
        start = w.binary("SUB", w.ints([0] * rank), begin)
        return _sampled(op, x, [0] * rank, [0] * rank, (start, size), w)
    begins, ends = [0] * rank, [0] * rank
    for i, axis in enumerate(op.padded_axes):
        begins[axis], ends[axis] = pads[i], pads[i + len(op.padded_axes)]
    sizes = w.sizes(x)
    added = [begin + end for begin, end in zip(begins, ends, strict=True)]
    first = [-begin for begin in begins]
    if all(isinstance(size, int) for size in sizes):
        known = [s + n for s, n in zip(sizes, added, strict=True) if isinstance(s, int)]
        return _sampled(op, x, first, known, None, w)
    size = w.binary("SUM", w.listed(sizes), w.ints(added))
    return _sampled(op, x, first, [0] * rank, (w.ints(first), size), w)


def _sampled(
    op: Pad,
    x: Tensor,
    start: list[int],
    size: list[int],
    computed: tuple[Tensor, Tensor] | None,
    w: Writer,
) -> Tensor:
    layer = w.net.add_slice(x, start, size, [1] * len(start))
    layer.mode = getattr(w.trt.SampleMode, MODES[op.mode])
    for index, tensor in enumerate(computed or (), 1):
        layer.set_input(index, tensor)
    if op.mode == "constant":
        layer.set_input(4, w.like(0, x) if op.value is None else w.reshape(w[op.value], ()))
    return out(layer)


@TENSORRT.rule(ReverseSequence)
def reverse_sequence(op: ReverseSequence, w: Writer) -> Tensor:
    layer = w.net.add_reverse_sequence(w[op.x], w.cast(w[op.lens], dtypes.i32))
    layer.batch_axis, layer.sequence_axis = op.batch_axis, op.time_axis
    return out(layer)
