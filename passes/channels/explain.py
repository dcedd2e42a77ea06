"""Why channels go together, in words: which op tied which layers, each tie told once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from edgec.ir import Constant, Elementwise, Graph, Op
from edgec.ir.ops import (
    BatchNorm,
    Concat,
    Conv,
    DepthToSpace,
    Einsum,
    MatMul,
    Reshape,
    Slice,
    SpaceToDepth,
    Split,
    Transpose,
)
from edgec.passes.channels.classes import ChannelGroup, Channels, find_channels
from edgec.passes.channels.links import Axis

_REASONS: Mapping[type[Op], str] = {
    BatchNorm: "normalizes channel by channel",
    Concat: "puts them in one tensor",
    DepthToSpace: "takes several channels to each of its own",
    Einsum: "sums over them",
    MatMul: "multiplies them with each other",
    Reshape: "spreads each of them over others",
    Slice: "takes them out of one tensor",
    SpaceToDepth: "makes several channels of each",
    Split: "takes them out of one tensor",
    Transpose: "moves them",
}


@dataclass(frozen=True)
class Tie:
    """``first`` with ``second``, because ``op`` does ``reason``."""

    first: str
    second: str
    op: str
    reason: str

    def __str__(self) -> str:
        return f"{self.first} with {self.second}, because {self.op} {self.reason}"


def ties_of(group: ChannelGroup, channels: Channels) -> list[Tie]:
    """What brought the layers of a group together, and which layers read it; the ties in the order
    of the graph, none that follows from those before."""
    axes = {axis for channel in (group.slices[0], group.slices[-1]) for axis in channel}
    return list(_ties(group, axes, channels))


def label_of(op: Op) -> str:
    """How the user knows an op: by the first node that it came from, else by its result."""
    if op.loc:
        return op.loc[0]
    return op.results[0].hint if op.results and op.results[0].hint else op.op_name


def _ties(group: ChannelGroup, axes: set[Axis], channels: Channels) -> Iterator[Tie]:
    names = {axis: f"channels of {label_of(op)}" for axis, op in group.sources.items()}
    order = {name: place for place, name in enumerate(names.values())}
    trees = _Trees()
    for a, b, op in channels.links.why:
        if a not in axes or b not in axes:
            continue
        first, second = trees.root(a), trees.root(b)
        name, other = names.get(first), names.get(second)
        if a == b and name is not None:
            yield Tie(name, "each other", label_of(op), _within(op))
        if first == second:
            continue
        trees.parent[second] = first
        both = sorted({one for one in (name, other) if one is not None}, key=order.__getitem__)
        if len(both) == 2:
            yield Tie(both[0], both[1], label_of(op), reason_of(op))
        elif isinstance(b.value, Constant) and b not in group.sources:
            yield from _reading(op, name)
        if both:
            names[first] = both[0]


class _Trees:
    """Which axes are tied already, directly or not."""

    def __init__(self) -> None:
        self.parent: dict[Axis, Axis] = {}

    def root(self, axis: Axis) -> Axis:
        while self.parent.get(axis, axis) != axis:
            axis = self.parent[axis]
        return axis


def reason_of(op: Op) -> str:
    """What the op does with both that ties their channels."""
    if isinstance(op, Conv) and op.groups > 1:
        return "convolves each channel by itself"
    if op.has(Elementwise):
        return f"combines them element by element ({op.op_name})"
    return _REASONS.get(type(op), f"({op.op_name}) needs the same of both")


def _within(op: Op) -> str:
    groups = op.groups if isinstance(op, Conv) else 1
    return f"has {groups} groups, which stay of one size"


def _reading(op: Op, name: str | None) -> Iterator[Tie]:
    if name is not None and isinstance(op, Conv | MatMul):
        yield Tie(name, f"inputs of {label_of(op)}", label_of(op), "reads them")


@dataclass(frozen=True)
class Explanation:
    """The groups of a graph with their ties, and the layers that keep all their channels."""

    groups: tuple[tuple[int, tuple[str, ...], tuple[Tie, ...]], ...]
    fixed: Mapping[str, str]

    def __str__(self) -> str:
        lines = []
        for number, (channels, layers, ties) in enumerate(self.groups, start=1):
            lines.append(f"group {number}: {channels} channels, computed by {', '.join(layers)}")
            lines += [f"  {tie}" for tie in ties]
        for layer, why in self.fixed.items():
            lines.append(f"{layer} keeps all its channels: {why}")
        return "\n".join(lines)

    def json(self) -> dict[str, object]:
        """The same as plain data."""
        groups = [
            {"channels": channels, "layers": list(layers), "ties": [asdict(tie) for tie in ties]}
            for channels, layers, ties in self.groups
        ]
        return {"groups": groups, "fixed": dict(self.fixed)}


def explain_channels(graph: Graph) -> Explanation:
    """Why the channels of a graph go together as they do."""
    channels = find_channels(graph)
    groups = tuple(
        (
            len(group),
            tuple(label_of(op) for op in group.sources.values()),
            tuple(ties_of(group, channels)),
        )
        for group in channels.groups
    )
    return Explanation(groups, {label_of(op): why for op, why in channels.fixed.items()})
