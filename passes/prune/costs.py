"""What a graph costs without some of its slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from edgec.ir import DeviceProfile, Graph, Op, Value
from edgec.ir.ops import Conv, ConvTranspose, MatMul
from edgec.kernels import default_shapes
from edgec.passes.channels import Axis, ChannelGroup
from edgec.passes.channels.links import Indices
from edgec.passes.goals import seconds_on
from edgec.passes.prune.remove import Remover

Removed = Mapping[Axis, Indices]


class Cost(Protocol):
    """What is to become less."""

    def __call__(self, removed: Removed) -> float: ...


class Macs:
    """Multiply-accumulates, from dims alone."""

    def __init__(self, graph: Graph) -> None:
        pairs = zip(graph.ops, _bound(graph).ops, strict=True)
        counted = ((op, same.work().macs) for op, same in pairs)
        self._layers = [(macs, _axes(op)) for op, macs in counted if macs]

    def __call__(self, removed: Removed) -> float:
        return sum(macs * _left(axes, removed) for macs, axes in self._layers)


class Parameters:
    """Elements of constants."""

    def __init__(self, graph: Graph) -> None:
        self._constants = list(graph.constants)

    def __call__(self, removed: Removed) -> float:
        return sum(
            constant.type.elements()
            * _left([Axis(constant, i) for i in range(constant.type.rank)], removed)
            for constant in self._constants
        )


class ChannelCount:
    """Channels of all groups."""

    def __init__(self, groups: Sequence[ChannelGroup]) -> None:
        self._axes = [next(iter(group.sources)) for group in groups]
        self._per_channel = [
            len(group.slices[0][axis]) for group, axis in zip(groups, self._axes, strict=True)
        ]
        self._count = sum(len(group) for group in groups)

    def __call__(self, removed: Removed) -> float:
        none = np.empty(0, np.int64)
        pairs = zip(self._axes, self._per_channel, strict=True)
        return self._count - sum(len(removed.get(axis, none)) / per for axis, per in pairs)


class Latency:
    """Seconds on a device by the cost model, of the graph without the slices."""

    def __init__(self, graph: Graph, device: DeviceProfile) -> None:
        self._graph = graph
        self._device = device

    def __call__(self, removed: Removed) -> float:
        graph = self._graph.clone()
        twins = _twins(self._graph, graph)
        kept = {Axis(twins[a.value], a.number): left_of(a, gone) for a, gone in removed.items()}
        if kept:
            Remover(graph, kept).run()
        return seconds_on(self._device, graph)


def left_of(axis: Axis, gone: Indices) -> Indices:
    """The slices of an axis that stay."""
    return np.setdiff1d(np.arange(_size(axis)), gone)


def _bound(graph: Graph) -> Graph:
    """The graph at its default shapes, op for op: work is counted in numbers."""
    symbols = default_shapes(graph)
    return graph.clone(dict(symbols)) if symbols else graph


def _twins(graph: Graph, clone: Graph) -> dict[Value, Value]:
    """The values of a clone by those that they were copied from."""
    found: dict[Value, Value] = {}
    for op, other in zip(graph.ops, clone.ops, strict=True):
        pairs = zip((*op.operands, *op.results), (*other.operands, *other.results), strict=True)
        found |= {a: b for a, b in pairs if a is not None and b is not None}
    return found


def _axes(op: Op) -> list[Axis]:
    """The axes whose lengths an op's multiply-accumulates are a product of, and that may shrink."""
    result = op.results[0] if op.results else None
    if result is None:
        return []
    axes = [Axis(result, i) for i in range(result.type.rank)]
    if isinstance(op, Conv):
        return [*axes, Axis(op.w, 1)]
    if isinstance(op, ConvTranspose):
        return [*(Axis(op.x, i) for i in range(op.x.type.rank)), Axis(op.w, 1)]
    if isinstance(op, MatMul):
        return [*axes, Axis(op.a, op.a.type.rank - (2 if op.transpose_a else 1))]
    return axes


def _left(axes: Sequence[Axis], removed: Removed) -> float:
    share = 1.0
    for axis in axes:
        gone = removed.get(axis)
        if gone is not None:
            share *= 1 - len(gone) / _size(axis)
    return share


def _size(axis: Axis) -> int:
    size = axis.value.type.dims[axis.number]
    assert isinstance(size, int), "only axes of known length lose slices"
    return size
