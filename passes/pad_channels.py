"""Channels that say nothing, where a runtime is faster with a round number of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgec.ir import Constant, Elementwise, Graph, Op, Rewriter, Value, scheme_named
from edgec.ir.ops import (
    AvgPool,
    Concat,
    Conv,
    Dequantize,
    MatMul,
    MaxPool,
    Pad,
    Quantize,
    ReduceMax,
    ReduceMean,
    ReduceMin,
    Resize,
)
from edgec.ir.ops.quant import is_per_tensor
from edgec.passes.base import Pass
from edgec.passes.channels import Axis, ChannelGroup, find_channels
from edgec.passes.channels.links import Indices
from edgec.passes.context import current
from edgec.passes.dce import DeadCodeElimination
from edgec.passes.promise import Close
from edgec.passes.prune.remove import ZEROS, Remover

MOST = 1.5  # times as many channels; beyond it the layers around lose what the layer gains
_CHANNELWISE = (
    AvgPool, Concat, Conv, Dequantize, MaxPool, Quantize, ReduceMax, ReduceMean, ReduceMin, Resize,
)  # fmt: skip


@dataclass(frozen=True)
class PadChannels(Pass):
    """Give convolutions on integers a number of channels that the target is fast with.

    ``scheme`` says which numbers those are (``depthwise_lanes`` and ``input_lanes``). A new channel
    is computed as another one is, or holds zeros, and what reads it multiplies it with zero.
    """

    name = "pad-channels"
    promise = Close(ulp=4)  # the same terms and zeros may be added up in another order

    scheme: str = "onnx"

    def run(self, graph: Graph, rw: Rewriter) -> None:
        scheme = scheme_named(self.scheme)
        for op in tuple(graph.ops_of(Conv)):
            if op.groups == 1 and set(op.kernel) != {1}:
                self._widen_input(op, scheme.input_lanes)
        if scheme.depthwise_lanes > 1 and any(map(_is_stored_depthwise, graph.ops)):
            self._widen_groups(graph, scheme.depthwise_lanes)
        DeadCodeElimination().run(graph, rw)

    def _widen_input(self, op: Conv, lanes: int) -> None:
        """Let a layer read channels of zeros behind its own, up to ``lanes``."""
        context = current()
        x, w = op.x.producer, op.w.producer
        if not isinstance(x, Dequantize) or not isinstance(w, Dequantize):
            return
        columns = _stored(op.w)
        if columns is None or columns.array.shape[1] >= lanes or not _is_one_number(x):
            return
        if not context.fuel.spend(self.name, op):
            return
        missing = lanes - columns.array.shape[1]
        assert op.graph is not None
        rw = Rewriter(op.graph).at(op)
        rank, axis = x.x.type.rank, 1 if op.layout == "nchw" else op.x.type.rank - 1
        pads = np.zeros(2 * rank, np.int64)
        pads[rank + axis] = missing
        wider = rw.add(Pad(x.x, rw.constant(pads), x.zero_point))
        wider.result.hint = f"{op.x.hint}.wider"
        read = rw.add(x.copy(x=wider.result))
        read.result.hint, read.result.range = f"{wider.result.hint}.dq", op.x.range
        behind = [(0, missing if at == 1 else 0) for at in range(rank)]
        held = rw.constant(np.pad(columns.array, behind), columns.hint)
        weights = rw.add(w.copy(x=held))
        weights.result.hint = op.w.hint
        rw.replace_with(op, op.copy(x=read.result, w=weights.result))
        context.statistics.applied["pad input channels"] += missing

    def _widen_groups(self, graph: Graph, lanes: int) -> None:
        """Give groups of layers around a depthwise one more channels."""
        context = current()
        touching = _by_axis(graph)
        times: dict[Axis, Indices] = {}
        for group in find_channels(graph, stored=True).groups:
            missing = _missing(group, lanes, touching)
            if not missing or not context.fuel.spend(self.name, graph.terminator):
                continue
            for axis, (last,) in group.slices[-1].items():
                length = axis.value.type.dims[axis.number]
                assert isinstance(length, int), "only axes of known length are in groups"
                times.setdefault(axis, np.ones(length, np.int64))[last] += missing
            context.statistics.applied["pad channels"] += missing
        columns = {column for op in graph.ops if (column := _column(op)) is not None}
        kept = {axis: _repeated(many, axis in columns) for axis, many in times.items()}
        if kept:
            Remover(graph, kept).run()


def _missing(group: ChannelGroup, lanes: int, touching: Mapping[Axis, Sequence[Op]]) -> int:
    """How many channels a group lacks; 0 where it lacks none, or cannot take any."""
    ops = [op for axis in group.slices[-1] for op in touching.get(axis, ())]
    if not any(map(_is_stored_depthwise, ops)) or not all(map(_keeps_apart, ops)):
        return 0
    if any(len(slices) > 1 for channel in group.slices for slices in channel.values()):
        return 0  # a reshape made several slices of a channel
    missing = -len(group) % lanes
    alike = len(group.kinds) == 1
    return missing if alike and len(group) + missing <= MOST * len(group) else 0


def _by_axis(graph: Graph) -> Mapping[Axis, Sequence[Op]]:
    """The ops that read or make each axis."""
    found: dict[Axis, list[Op]] = {}
    for op in graph.ops:
        for value in {*op.present_operands, *op.results}:
            for number in range(value.type.rank):
                found.setdefault(Axis(value, number), []).append(op)
    return found


def _keeps_apart(op: Op) -> bool:
    """True when no channel has a part in another one but through weights."""
    if isinstance(op, MatMul):
        return _stored(op.b) is not None
    return isinstance(op, _CHANNELWISE) or op.has(Elementwise)


def _is_one_number(reading: Dequantize) -> bool:
    """True where the stored zero is one number, which can be put around what is stored."""
    point = reading.zero_point
    return is_per_tensor(reading.scale) and (point is None or point.type.rank == 0)


def _is_stored_depthwise(op: Op) -> bool:
    if not isinstance(op, Conv) or op.groups == 1 or op.w.type.dims[:2] != (op.groups, 1):
        return False
    return isinstance(op.w.producer, Dequantize)


def _column(op: Op) -> Axis | None:
    """The axis of a layer's constant weights that multiplies what it reads."""
    if isinstance(op, Conv) and op.groups == 1:
        weights, number = _stored(op.w), 1
    elif isinstance(op, MatMul):
        weights, number = _stored(op.b), op.b.type.rank - (1 if op.transpose_b else 2)
    else:
        return None
    return None if weights is None else Axis(weights, number)


def _stored(value: Value) -> Constant | None:
    """The constant that holds these weights, as they are or in integers whose zero is 0."""
    reading = value.producer
    if isinstance(reading, Dequantize):
        point = reading.zero_point
        centred = point is None or (isinstance(point, Constant) and not point.array.any())
        centred = centred and not reading.block
        value = reading.x
        return value if isinstance(value, Constant) and centred else None
    return value if isinstance(value, Constant) else None


def _repeated(times: Indices, column: bool) -> Indices:
    """Each slice as often as it says; of weights that multiply it, zeros stand for the others."""
    kept = np.repeat(np.arange(len(times)), times)
    if column:
        kept[1:][np.diff(kept) == 0] = ZEROS
    return kept
