"""Structured pruning: whole channels go, and the graph that is left is dense and smaller."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgec.ir import Array, Code, Error, Graph, Op, Rewriter
from edgec.ir.ops import BatchNorm, Conv, MatMul
from edgec.kernels import Executor
from edgec.passes.base import Pass
from edgec.passes.channels import Axis, ChannelGroup, find_channels
from edgec.passes.channels.links import Indices
from edgec.passes.context import current
from edgec.passes.goals import Goal, channels_at_once
from edgec.passes.pattern import Miss
from edgec.passes.promise import Lossy
from edgec.passes.prune.choose import LEAST_LEFT, Choice, Cuts, Ranking, least_at_goal, protected
from edgec.passes.prune.costs import ChannelCount, Cost, Latency, Macs, Parameters, left_of
from edgec.passes.prune.importance import BY_DATA, BY_WEIGHTS, Reached, by_data, read_channels
from edgec.passes.prune.remove import Remover
from edgec.passes.prune.surgeon import by_surgery
from edgec.passes.reconstruct import Covariances, sensitivities
from edgec.passes.reconstruct.patches import result_axis
from edgec.passes.recover import recover, teacher_of

# Of onnxruntime on a CPU with 512-bit vectors, where 16 gave the best ratios of 1, 4, 8 and 16 on
# nine of ten networks, and 1 made EfficientNet-Lite0 with 70 % of its work 1.9 times slower.
ROUND_TO = 16
FINENESS = 200  # steps of the share that goes from every group, with scope=layer
SCOPES = ("auto", "global", "layer")


@dataclass(frozen=True)
class Prune(Pass):
    """Remove the channels that matter least, in groups that must go together.

    One goal: ``macs``, ``params`` or ``latency`` (on ``device``, by the cost model) is the share
    that is left, ``ratio`` the share of channels that goes. ``scope``: global compares channels of
    all layers with each other; layer takes the same share of each (auto: layer for a ratio).
    ``importance`` is l1, l2, median, norm (of weights), activation, taylor, hessian or surgeon
    (over data); auto is surgeon where there are data, else l2. What is left of a group is a
    multiple of ``round_to`` channels; 0 is what the device takes at once, else 16, or half of it as
    often as the goal needs. With data, ``recover`` fits the layers that are left to what they gave
    before, over ``samples`` samples at ``places`` places. ``steps`` prune and recover alternate,
    each taking a part.
    """

    name = "prune"
    promise = Lossy("sqnr_db", 0.0)
    reads_data = True

    macs: float = 0.0
    params: float = 0.0
    latency: float = 0.0
    ratio: float = 0.0
    device: str = ""
    scope: str = "auto"
    importance: str = "auto"
    round_to: int = 0
    steps: int = 1
    recover: bool = True
    samples: int = 64
    places: int = 128
    damping: float = 0.0

    def __post_init__(self) -> None:
        self._goal()
        known = ("auto", *BY_WEIGHTS, *BY_DATA)
        if self.importance not in known:
            raise Error(Code.OPTION, f"there is no importance {self.importance!r}",
                        instead=f"one of {list(known)}")  # fmt: skip
        if self.scope not in SCOPES:
            raise Error(Code.OPTION, f"there is no scope {self.scope!r}",
                        instead=f"one of {list(SCOPES)}")  # fmt: skip
        if self.round_to < 0:
            raise Error(Code.OPTION, f"round_to={self.round_to} is none", instead="round_to=8")
        if self.steps < 1:
            raise Error(Code.OPTION, f"steps={self.steps} are none", instead="steps=3")

    def _goal(self) -> Goal:
        goals = {"macs": self.macs, "params": self.params, "latency": self.latency}
        return Goal.of(self.name, goals | {"ratio": self.ratio}, self.device)

    def run(self, graph: Graph, rw: Rewriter) -> None:
        goal = self._goal()
        whole = self._cost(graph, goal, find_channels(graph).groups)({})
        for step in range(1, self.steps + 1):
            left = goal.after(step, self.steps)
            if not self._step(graph, goal, left, whole * left):
                return

    def _step(self, graph: Graph, goal: Goal, share: float, most: float) -> bool:
        """Take one part; False when there is nothing to take."""
        context = current()
        found = find_channels(graph)
        for op, why in found.fixed.items():
            context.statistics.missed(self.name, Miss(why, near=True), op)
        if not found.groups or not context.fuel.spend(self.name, graph.terminator):
            return False
        choice = self._choice(graph, found.groups, goal, share, most)
        removed = choice.slices(found.groups)
        if not removed:
            return True
        teacher = teacher_of(graph)
        kept = {axis: left_of(axis, gone) for axis, gone in removed.items()}
        teacher.lose(dict(_by_name(graph, kept)))
        Remover(graph, kept).run()
        for group, gone in zip(found.groups, choice.removed, strict=True):
            layer = next(iter(group.sources.values()))
            context.statistics.applied[f"prune channels of {layer.op_name}"] += len(gone)
        if self.recover and context.data is not None:
            fitted = recover(graph, teacher, self.samples, self.places, self.damping)
            context.statistics.applied["recover layers"] += fitted
        return True

    def _scores(self, graph: Graph, groups: Sequence[ChannelGroup]) -> list[Array]:
        """Importance per channel, comparable between groups: of weights, in units of the group's
        mean."""
        name = self.importance
        if name == "auto":
            name = "l2" if current().data is None else "surgeon"
        if name in BY_WEIGHTS:
            return [_by_mean(BY_WEIGHTS[name](group)) for group in groups]
        data = current().require_data(f"importance by {name} is measured over data")
        layers = list(graph.ops)
        axes = [found[0] for op in layers if (found := read_channels(op)) is not None]
        if name == "surgeon":
            covariances = Covariances({axis.value: axis.number for axis in axes}, self.places)
            covariances.run(Executor(graph), data, self.samples)
            readers = [op for op in layers if _reads_one_of(op, groups)]
            shown = current().progress(readers, "disturbing layers", len(readers))
            sensitivity = sensitivities(graph, shown, data)
            return by_surgery(groups, readers, covariances, sensitivity)
        reached = Reached({axis.value: axis.number for axis in axes})
        reached.run(Executor(graph), data, self.samples)
        return by_data(name, groups, layers, reached)

    def _choice(
        self,
        graph: Graph,
        groups: Sequence[ChannelGroup],
        goal: Goal,
        share: float,
        most: float,
    ) -> Choice:
        cost = self._cost(graph, goal, groups)
        pairs = zip(groups, self._scores(graph, groups), strict=True)
        scores = [protected(group, score) for group, score in pairs]
        least = LEAST_LEFT ** (1 / self.steps)
        if self._by_layer(goal) and goal.kind == "ratio":
            cuts = [self._finest(group, goal, least) for group in groups]
            return Ranking(scores, [1.0] * len(cuts), cuts).uniform(1 - goal.after(1, self.steps))

        def spent(choice: Choice) -> float:
            return cost(choice.slices(groups))

        least_left = 0.0
        for round_to in self._roundings(goal):
            cuts = [Cuts.of(group, round_to, least) for group in groups]
            ranking = Ranking(scores, _savings(cost, groups, cuts), cuts)
            choose = _shared if self._by_layer(goal) else _ranked
            choice = choose(ranking, lambda choice: spent(choice) <= most)
            if choice is not None:
                return choice
            least_left = spent(ranking.first(len(ranking)))
        raise Error(
            Code.GOAL,
            f"{self} cannot be met: {share * least_left / most:.2f} is the least that can be left",
            instead="a higher goal, or round_to=1; edgec prune --explain lists what is fixed",
        )

    def _by_layer(self, goal: Goal) -> bool:
        return self.scope == "layer" or (self.scope == "auto" and goal.kind == "ratio")

    def _finest(self, group: ChannelGroup, goal: Goal, least: float) -> Cuts:
        """With the largest rounding that lets the group lose its share at all."""
        share = 1 - goal.after(1, self.steps)
        found = Cuts(())
        for round_to in self._roundings(goal):
            found = Cuts.of(group, round_to, least)
            if found.counts and found.counts[0] <= share * len(group):
                break
        return found

    def _roundings(self, goal: Goal) -> Iterator[int]:
        """Numbers of channels to try in turn."""
        device = goal.device
        largest = self.round_to or (ROUND_TO if device is None else channels_at_once(device))
        yield largest
        while not self.round_to and largest > 1:
            largest //= 2
            yield largest

    def _cost(self, graph: Graph, goal: Goal, groups: Sequence[ChannelGroup] = ()) -> Cost:
        device = goal.device
        if goal.kind == "latency":
            assert device is not None, "a goal without one is refused"
            return Latency(graph, device)
        if goal.kind == "ratio":
            return ChannelCount(groups)
        return Macs(graph) if goal.kind == "macs" else Parameters(graph)


def _savings(cost: Cost, groups: Sequence[ChannelGroup], cuts: Sequence[Cuts]) -> list[float]:
    """What a channel of each group saves, on the average over its first two cuts (the first may be
    shorter); nothing where no cut can be made."""
    whole = cost({})
    found = []
    for group, cut in zip(groups, cuts, strict=True):
        count = cut.counts[:2][-1] if cut.counts else 0
        gone = Choice([np.arange(count)]).slices([group])
        found.append((whole - cost(gone)) / count if count else 0.0)
    return found


def _ranked(ranking: Ranking, fits: Callable[[Choice], bool]) -> Choice | None:
    """What matters least of all layers; None where all of it is not enough."""
    found = least_at_goal(len(ranking), lambda count: fits(ranking.first(count)))
    return None if found is None else ranking.trimmed(found, fits)


def _shared(ranking: Ranking, fits: Callable[[Choice], bool]) -> Choice | None:
    """The same share of each layer; None where all of it is not enough."""
    found = least_at_goal(FINENESS, lambda step: fits(ranking.uniform(step / FINENESS)))
    return None if found is None else ranking.uniform(found / FINENESS)


def _reads_one_of(op: Op, groups: Sequence[ChannelGroup]) -> bool:
    found = read_channels(op)
    return found is not None and any(found[0] in group.slices[0] for group in groups)


def _by_mean(scores: Array) -> Array:
    return scores / max(float(scores.mean()), 1e-30)


def _by_name(graph: Graph, kept: Mapping[Axis, Indices]) -> Iterator[tuple[str, Indices]]:
    """By name of a layer's result, the channels that are left."""
    for op in graph.ops_of(Conv, MatMul, BatchNorm):
        axis = Axis(op.result, result_axis(op, op.result.type.rank))
        if axis in kept:
            yield op.result.hint, kept[axis]


__all__ = ["Prune"]
