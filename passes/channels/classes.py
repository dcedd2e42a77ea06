"""Classes of slices that stand or fall together, by group of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edgec.ir import Graph, Op, Refusal, Value
from edgec.passes.channels.links import Axis, Indices, Links, rule_of


@dataclass(frozen=True)
class ChannelGroup:
    """Channels of the same layers: each is a class of slices that must be removed together.

    Attributes:
        sources: the axes of weights whose rows compute them, with their layers.
        slices: for each channel, the slices of each axis that go with it.
    """

    sources: Mapping[Axis, Op]
    slices: Sequence[Mapping[Axis, Indices]]

    def __len__(self) -> int:
        return len(self.slices)

    @cached_property
    def kinds(self) -> Sequence[Indices]:
        """The channels by the axes that they reach: a slice or a split may send them different
        ways, and of each kind one has to stay, or some axis is left empty."""
        found: dict[frozenset[Axis], list[int]] = {}
        for place, channel in enumerate(self.slices):
            found.setdefault(frozenset(channel), []).append(place)
        return [np.asarray(places) for places in found.values()]


@dataclass(frozen=True)
class Channels:
    """What can be removed from a graph, and why the rest cannot.

    Attributes:
        groups: in the order of their first layer.
        fixed: layers whose outputs cannot lose channels, with the reason.
        links: how it was found, for explanations.
    """

    groups: Sequence[ChannelGroup]
    fixed: Mapping[Op, str]
    links: Links


def find_channels(graph: Graph, *, stored: bool = False) -> Channels:
    """The channel groups of the outermost graph; what regions read is fixed.

    Args:
        stored: also of layers whose weights are stored in integers.
    """
    links = _gathered(graph, Links(stored=stored))
    labels = components(links.count, links.pairs)
    reasons: dict[int, str] = {}
    for axis, why in links.pinned.items():
        begin = links.begin.get(axis)
        if begin is not None:
            for label in np.unique(labels[begin : begin + _length(axis)]):
                reasons.setdefault(int(label), why)
    members: dict[int, dict[Axis, Indices]] = {}
    for axis, begin in links.begin.items():
        own = labels[begin : begin + _length(axis)]
        order = np.argsort(own, kind="stable")
        found, starts = np.unique(own[order], return_index=True)
        for label, indices in zip(found, np.split(order, starts[1:]), strict=True):
            members.setdefault(int(label), {})[axis] = indices
    return _grouped(links, labels, members, reasons)


def _gathered(graph: Graph, links: Links) -> Links:
    for value in graph.inputs:
        _pin_all(links, value, "it is an input of the model")
    for op in graph.ops:
        rule = rule_of(op)
        if isinstance(rule, Refusal) or op.regions:
            links.visit(op, None, f"{op.op_name} needs all of it")
        else:
            links.visit(op, rule, f"{op.op_name} needs all of this axis")
        for region in op.regions:
            for value in region.free_values:
                _pin_all(links, value, "a branch or a loop body reads it")
    for value in graph.outputs:
        _pin_all(links, value, "it is an output of the model")
    return links


def _pin_all(links: Links, value: Value, why: str) -> None:
    for axis in range(value.type.rank):
        links.pin(value, axis, why)


def _length(axis: Axis) -> int:
    dim = axis.value.type.dims[axis.number]
    assert isinstance(dim, int), "only axes of known length have nodes"
    return dim


def components(count: int, pairs: Sequence[tuple[Indices, Indices]]) -> Indices:
    """The least node of each node's connected component.

    Roots are hooked to smaller roots and paths halved until no tie crosses (Shiloach and Vishkin
    1982); each round is a few passes over arrays.
    """
    labels = np.arange(count)
    if not pairs:
        return labels
    a, b = (np.concatenate(side) for side in zip(*pairs, strict=True))
    while True:
        first, second = labels[a], labels[b]
        crossing = first != second
        if not crossing.any():
            return labels
        high = np.maximum(first[crossing], second[crossing])
        np.minimum.at(labels, high, np.minimum(first[crossing], second[crossing]))
        while True:
            halved = labels[labels]
            if np.array_equal(halved, labels):
                break
            labels = halved


def _grouped(
    links: Links,
    labels: Indices,
    members: Mapping[int, Mapping[Axis, Indices]],
    reasons: Mapping[int, str],
) -> Channels:
    of_label: dict[int, list[Axis]] = {}
    for axis in links.sources:
        begin = links.begin.get(axis)
        if begin is not None:
            for label in np.unique(labels[begin : begin + _length(axis)]):
                of_label.setdefault(int(label), []).append(axis)
    groups: dict[tuple[Axis, ...], list[int]] = {}
    fixed: dict[Op, str] = {}
    for label, axes in of_label.items():
        why = reasons.get(label)
        if why is None:
            groups.setdefault(tuple(axes), []).append(label)
        else:
            fixed |= {links.sources[axis]: why for axis in axes}
    made = [
        ChannelGroup(
            {axis: links.sources[axis] for axis in axes}, [members[label] for label in found]
        )
        for axes, found in groups.items()
    ]
    return Channels(made, fixed, links)
