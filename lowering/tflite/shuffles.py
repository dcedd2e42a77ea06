"""Channel shuffles that move nothing: what reads shuffled channels takes them in another order.

A shuffle (a reshape, a transpose and a reshape that permute the last axis), a concat and a slice of
channels say only which channels of which earlier tensors are meant. Nothing is computed for them:
a convolution reads slices of those tensors, put one after the other, and the input channels of its
weights are put in that order. What computes channel by channel keeps that order, and hands it on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from edgec.ir import (
    Array,
    Constant,
    Elementwise,
    Graph,
    Ints,
    Op,
    Quant,
    Rewriter,
    Value,
    known_ints,
)
from edgec.ir.ops import (
    Concat,
    Conv,
    Dequantize,
    Gather,
    IntegerConv,
    Reshape,
    Slice,
    Split,
    Transpose,
)

Channel: TypeAlias = tuple[Value, int]


@dataclass(frozen=True)
class View:
    """Channels of earlier tensors, in order; ``shuffled`` once a shuffle had a part in it."""

    channels: tuple[Channel, ...]
    shuffled: bool


def absorb_shuffles(graph: Graph) -> None:
    """Rewrite every shuffle of the last axis, in place, and drop what is then dead."""
    for part in graph.graphs:
        if any(_shuffle_of(op) is not None for op in part.ops_of(Reshape)):
            _Absorber(part).run()


class _Absorber:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.views: dict[Value, View] = {}
        self.made: dict[frozenset[Channel], tuple[Value, tuple[Channel, ...]]] = {}

    def run(self) -> None:
        ops = tuple(self.graph.ops)
        inner = {part for op in ops for part in _parts_of_shuffle(op)}
        for op in ops:
            if op not in inner and not self._follow(op):
                self._read(op)
        self._as_they_were(self.graph.terminator)
        for op in reversed(ops):
            if op.graph is self.graph and not any(r.is_used for r in op.results):
                Rewriter(self.graph).erase(op)

    # -- views --------------------------------------------------------------------------------

    def _view(self, value: Value) -> View:
        found = self.views.get(value)
        if found is None:
            count = value.type.dims[-1]
            assert isinstance(count, int)
            found = View(tuple((value, i) for i in range(count)), False)
        return found

    def _follow(self, op: Op) -> bool:
        """True when the op only says which channels are meant."""
        if not _has_channels(op.results):
            return False
        parts_of_shuffle = _parts_of_shuffle(op)
        order = _shuffle_of(op)
        if parts_of_shuffle and order is not None:
            channels = self._view(parts_of_shuffle[0].x).channels
            self.views[op.results[0]] = View(tuple(channels[i] for i in order), True)
        elif isinstance(op, Concat) and op.axis % op.result.type.rank == op.result.type.rank - 1:
            parts = [self._view(x) for x in op.xs]
            joined = tuple(channel for part in parts for channel in part.channels)
            self.views[op.result] = View(joined, any(part.shuffled for part in parts))
        elif isinstance(op, (Slice, Split)):
            return self._follow_parts(op)
        else:
            return False
        return True

    def _follow_parts(self, op: Slice | Split) -> bool:
        parts = _ranges(op)
        if parts is None:
            return False
        view = self._view(op.x)
        for result, (begin, end) in zip(op.results, parts, strict=True):
            self.views[result] = View(view.channels[begin:end], view.shuffled)
        return True

    def _read(self, op: Op) -> None:
        """Let an op read shuffled channels in an order that costs little, where it can."""
        x = op.operands[0] if op.operands else None
        view = self.views.get(x) if x is not None else None
        if view is None or not view.shuffled or len(set(view.channels)) < len(view.channels):
            self._as_they_were(op)
            return
        if _sums_channels(op):
            value, order = self._gathered(view, op)
            places = [view.channels.index(channel) for channel in order]
            made = op.copy(x=value, w=_reordered(_weights(op), 1, places))
            self._replace(op, made)
        elif _keeps_channels(op):
            value, order = self._gathered(view, op)
            places = [view.channels.index(channel) for channel in order]
            changes: dict[str, Any] = {op.operand_name(0): value, **_by_channel(op, places)}
            made = op.copy(**changes)
            Rewriter(self.graph).at(op).add(made)
            back = [order.index(channel) for channel in view.channels]
            self.views[op.results[0]] = View(tuple((made.result, i) for i in back), True)
        else:
            self._as_they_were(op)

    def _replace(self, op: Op, made: Op) -> None:
        Rewriter(self.graph).replace_with(op, made)

    def _as_they_were(self, op: Op) -> None:
        """Give an op the channels in the order that it expects: by a gather."""
        for index, value in enumerate(op.operands):
            view = self.views.get(value) if value is not None else None
            if value is not None and view is not None and view.shuffled:
                Rewriter(self.graph).set_operand(op, index, self._in_order(value, view, op))

    # -- what is computed for a view ------------------------------------------------------------

    def _gathered(self, view: View, op: Op) -> tuple[Value, tuple[Channel, ...]]:
        """The channels in some order: whole runs of each tensor, one after the other."""
        key = frozenset(view.channels)
        if key not in self.made:
            runs = _runs(view.channels)
            rw = Rewriter(self.graph).at(op)
            parts = tuple(_slice(source, begin, end, rw) for source, begin, end in runs)
            value = parts[0]
            if len(parts) > 1:
                value = rw.add(Concat(parts, axis=value.type.rank - 1)).result
            order = tuple((source, i) for source, begin, end in runs for i in range(begin, end))
            self.made[key] = value, order
        return self.made[key]

    def _in_order(self, value: Value, view: View, op: Op) -> Value:
        if len(set(view.channels)) < len(view.channels):
            return value
        found, order = self._gathered(view, op)
        if order == view.channels:
            return found
        rw = Rewriter(self.graph).at(op)
        places = np.asarray([order.index(channel) for channel in view.channels], np.int64)
        return rw.add(Gather(found, rw.constant(places), axis=value.type.rank - 1)).result


# -- matching -----------------------------------------------------------------------------------


def _has_channels(values: Sequence[Value]) -> bool:
    return all(v.type.rank == 4 and isinstance(v.type.dims[-1], int) for v in values)


def _parts_of_shuffle(op: Op) -> tuple[Reshape, Transpose] | tuple[()]:
    """The reshape and the transpose before the last reshape of a shuffle, which alone reads them;
    nothing for another op."""
    turn = op.x.producer if isinstance(op, Reshape) else None
    first = turn.x.producer if isinstance(turn, Transpose) else None
    if not isinstance(turn, Transpose) or not isinstance(first, Reshape) or first.to is None:
        return ()
    if turn.result.use_count != 1 or first.result.use_count != 1:
        return ()
    return (first, turn) if _order(first.x, turn, op.results[0]) is not None else ()


def _shuffle_of(op: Op) -> Ints | None:
    """The order that a shuffle of the last axis puts channels in; None for another op."""
    parts = _parts_of_shuffle(op)
    return _order(parts[0].x, parts[1], op.results[0]) if parts else None


def _order(x: Value, turn: Transpose, y: Value) -> Ints | None:
    dims, split, perm = x.type.dims, turn.x.type.dims, turn.perm
    low = len(dims) - 1
    if y.type.dims != dims or dims[:low] != split[:low] or perm[:low] != tuple(range(low)):
        return None
    sizes = [dim for dim in split[low:] if isinstance(dim, int)]
    if len(sizes) != len(split) - low:
        return None
    places = np.arange(int(np.prod(sizes))).reshape(sizes)
    found: list[int] = places.transpose([axis - low for axis in perm[low:]]).reshape(-1).tolist()
    return tuple(found)


def _ranges(op: Slice | Split) -> list[tuple[int, int]] | None:
    """The channels of each part; None when something else is cut."""
    last = op.x.type.rank - 1
    if isinstance(op, Split):
        sizes = [dim for dim in op.part_dims if isinstance(dim, int)]
        if op.axis % op.x.type.rank != last or len(sizes) != len(op.results):
            return None
        ends = np.cumsum(sizes).tolist()
        return list(zip([0, *ends[:-1]], ends, strict=True))
    starts, steps = known_ints(op.starts), known_ints(op.steps)
    size, count = op.x.type.dims[-1], op.result.type.dims[-1]
    if tuple(axis % op.x.type.rank for axis in op.axes) != (last,) or starts is None:
        return None
    if op.steps is not None and steps != (1,):
        return None
    if not isinstance(size, int) or not isinstance(count, int):
        return None
    begin = min(max(starts[0] + size if starts[0] < 0 else starts[0], 0), size)
    return [(begin, begin + count)]


def _sums_channels(op: Op) -> bool:
    """A convolution over all channels, with weights that can be put in another order."""
    plain = isinstance(op, (Conv, IntegerConv)) and op.layout == "nhwc" and op.groups == 1
    return plain and _stored(_weights(op)) is not None


def _keeps_channels(op: Op) -> bool:
    """Each result channel follows from one channel: depthwise, or elementwise."""
    if isinstance(op, (Conv, IntegerConv)):
        depthwise = op.groups == op.x.type.dims[-1] == op.w.type.dims[0]
        bias = op.bias is None or isinstance(op.bias, Constant)
        return op.layout == "nhwc" and depthwise and bias and _stored(op.w) is not None
    return op.has(Elementwise) and len(op.operands) == 1


def _weights(op: Op) -> Value:
    found: Value = getattr(op, "w")  # noqa: B009  (a convolution of either kind)
    return found


def _stored(weights: Value) -> Constant | None:
    """The constant that weights are, or are read from."""
    source = weights.producer
    if isinstance(source, Dequantize) and not source.block:
        constant = isinstance(source.scale, Constant)
        return source.x if isinstance(source.x, Constant) and constant else None
    return weights if isinstance(weights, Constant) else None


# -- rewriting ----------------------------------------------------------------------------------


def _runs(channels: Sequence[Channel]) -> list[tuple[Value, int, int]]:
    """The runs of neighbouring channels of each tensor, tensors in order of first mention."""
    by_source: dict[Value, list[int]] = {}
    for source, index in channels:
        by_source.setdefault(source, []).append(index)
    runs = []
    for source, indices in by_source.items():
        begin = previous = min(indices)
        for index in sorted(indices)[1:]:
            if index != previous + 1:
                runs.append((source, begin, previous + 1))
                begin = index
            previous = index
        runs.append((source, begin, previous + 1))
    return runs


def _slice(source: Value, begin: int, end: int, rw: Rewriter) -> Value:
    if (begin, end) == (0, source.type.dims[-1]):
        return source
    bounds = [rw.constant(np.asarray([at], np.int64)) for at in (begin, end)]
    return rw.add(Slice(source, *bounds, axes=(source.type.rank - 1,))).result


def _by_channel(op: Op, places: Sequence[int]) -> dict[str, Any]:
    """The constants of an op that computes channel by channel, in another order."""
    if not isinstance(op, (Conv, IntegerConv)):
        return {}
    changes: dict[str, Any] = {"w": _reordered(op.w, 0, places)}
    if op.bias is not None:
        changes["bias"] = _reordered(op.bias, 0, places)
    return changes


def _reordered(value: Value, axis: int, places: Sequence[int]) -> Value:
    """Constant weights with the slices of an axis in another order, and their scales with them."""
    if isinstance(value, Constant):
        quant = _with_scales(value.type.quant, axis, places)
        type = replace(value.type, quant=quant)
        return Constant(_taken(value.array, axis, places), hint=value.hint, type=type)
    source = value.producer
    assert isinstance(source, Dequantize), "weights are constants, or read from such"
    changes: dict[str, Any] = {"x": _reordered(source.x, axis, places)}
    for name in ("scale", "zero_point"):
        given = getattr(source, name)
        if given is not None and given.type.rank == 1 and source.axis == axis and len(places) > 1:
            changes[name] = Constant(_taken(given.array, 0, places), hint=given.hint)
    assert source.graph is not None
    return Rewriter(source.graph).at(source).add(source.copy(**changes)).result


def _taken(array: Array, axis: int, places: Sequence[int]) -> Array:
    return np.ascontiguousarray(np.take(array, list(places), axis=axis))


def _with_scales(quant: Quant | None, axis: int, places: Sequence[int]) -> Quant | None:
    if quant is None or quant.axis != axis:
        return quant
    return replace(
        quant,
        scale=tuple(quant.scale[i] for i in places),
        zero_point=tuple(quant.zero_point[i] for i in places),
    )
