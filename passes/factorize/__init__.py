"""Low rank: a layer becomes several thinner ones, where that pays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgec.ir import Array, Code, DeviceProfile, Error, Graph, Op, Rewriter, Value
from edgec.ir.ops import Conv
from edgec.kernels import Executor, default_shapes
from edgec.passes.analysis import estimate
from edgec.passes.base import Pass
from edgec.passes.context import current
from edgec.passes.factorize.layers import Layer, alone, layers_of, put, tensor_of
from edgec.passes.factorize.plan import Option, Plan, cheapest
from edgec.passes.factorize.ways import WAYS, Part, Rank, Way, Weights, ways_of
from edgec.passes.goals import Goal, channels_at_once, counted_as
from edgec.passes.promise import Lossy
from edgec.passes.reconstruct import Covariances, sensitivities
from edgec.passes.recover import recover, teacher_of

DEFAULT_WAYS = "svd|spatial|tucker"


@dataclass(frozen=True)
class Factorize(Pass):
    """Write convolutions and matmuls as several thinner layers, where that costs less.

    One goal: ``macs`` or ``latency`` (on ``device``, by the cost model) is the share that is left
    of the whole model, taken where it loses least; ``energy`` is the share of each layer's output
    variance that is kept; ``vbmf`` takes the rank of each layer by variational Bayes. ``ways`` are
    svd, spatial, tucker and cp, with | between them. With data, what is lost is weighted by the
    covariance of each layer's inputs, over ``samples`` samples at ``places`` places, and
    ``recover`` fits the layers to what they gave before. Ranks are multiples of ``round_to``; 0 is
    what the device takes at once, else 8.
    """

    name = "factorize"
    promise = Lossy("sqnr_db", 0.0)

    macs: float = 0.0
    latency: float = 0.0
    energy: float = 0.0
    vbmf: bool = False
    device: str = ""
    ways: str = DEFAULT_WAYS
    round_to: int = 0
    recover: bool = True
    samples: int = 64
    places: int = 128
    damping: float = 0.0

    def __post_init__(self) -> None:
        self._goal()
        unknown = set(self.ways.split("|")) - set(WAYS)
        if unknown:
            raise Error(
                Code.OPTION, f"there is no way {sorted(unknown)[0]!r} to factorize",
                instead=f"some of {'|'.join(WAYS)}",
            )  # fmt: skip
        if self.round_to < 0:
            raise Error(Code.OPTION, f"round_to={self.round_to} is none", instead="round_to=8")

    def _goal(self) -> Goal | None:
        goals = {"macs": self.macs, "latency": self.latency, "energy": self.energy}
        if self.vbmf and not any(goals.values()):
            return None
        return Goal.of(self.name, goals | ({"vbmf": 1.0} if self.vbmf else {}), self.device)

    def run(self, graph: Graph, rw: Rewriter) -> None:
        context = current()
        plan = self._plan(graph)
        chosen = self._chosen(plan)
        if not chosen or not context.fuel.spend(self.name, graph.terminator):
            return
        teacher = teacher_of(graph)
        for layer, option in chosen.items():
            made = put(layer, option.parts(), rw.at(layer))
            made.result.range = layer.result.range
            rw.replace(layer, made.result)
            context.statistics.applied[f"{option.name} of {layer.op_name}"] += 1
        if self.recover and context.data is not None:
            fitted = recover(graph, teacher, self.samples, self.places, self.damping)
            context.statistics.applied["recover layers"] += fitted

    def _chosen(self, plan: Plan) -> Mapping[Layer, Option]:
        goal = self._goal()
        if goal is None or goal.kind == "energy":
            return cheapest(plan)
        found = plan.at_goal(goal.share)
        if found is None:
            raise Error(
                Code.GOAL,
                f"{self} cannot be met: {plan.least:.2f} is the least that can be left",
                instead="a higher goal, or prune first",
            )
        return found

    def _plan(self, graph: Graph) -> Plan:
        goal = self._goal()
        device = None if goal is None else goal.device
        layers = list(layers_of(graph))
        roots = self._roots(graph, layers)
        reaching = self._sensitivities(graph, layers)
        unit = self.round_to or (8 if device is None else channels_at_once(device))
        cost = _Cost(graph, None if goal is not None and goal.kind == "macs" else device)
        plan = Plan(cost.whole)
        for layer in current().progress(layers, "taking layers apart", len(layers)):
            own = cost.of(layer, None)
            tensor = tensor_of(layer)
            weights = Weights(tensor, roots.get(layer, np.eye(tensor.shape[1])), unit)
            for way in ways_of(weights, self.ways.split("|")):
                for rank in self._ranks(way, goal):
                    parts = way.parts(rank)
                    spent = cost.of(layer, parts)
                    if spent < own:
                        option = Option(way, rank, spent, way.lost(rank), reaching[layer])
                        plan.offer(layer, own, option)
        return plan

    def _ranks(self, way: Way, goal: Goal | None) -> Sequence[Rank]:
        if goal is None:
            return [way.at_noise()]
        return [way.at_energy(goal.share)] if goal.kind == "energy" else way.ranks()

    def _sensitivities(self, graph: Graph, layers: Sequence[Layer]) -> Mapping[Op, float]:
        context = current()
        if context.data is None:
            return dict.fromkeys(layers, 1.0)
        shown = context.progress(layers, "disturbing layers", len(layers))
        return sensitivities(graph, shown, context.data)

    def _roots(self, graph: Graph, layers: Sequence[Layer]) -> dict[Layer, Array]:
        """A root of the covariance of each layer's input channels."""
        data = current().data
        if data is None:
            return {}
        read: dict[Layer, Value] = {op: op.operands[0] for op in layers if op.operands[0]}
        axes = {x: 1 if isinstance(op, Conv) else x.type.rank - 1 for op, x in read.items()}
        covariances = Covariances(axes, self.places)
        covariances.run(Executor(graph), data, self.samples)
        return {op: np.linalg.cholesky(covariances.of(x)) for op, x in read.items()}


class _Cost:
    """Multiply-accumulates, or seconds on a device, of the model and of single layers in it."""

    def __init__(self, graph: Graph, device: DeviceProfile | None) -> None:
        self._device = device
        self._symbols = dict(default_shapes(graph))
        bound = graph.clone(self._symbols) if self._symbols else graph
        if device is None:
            self.whole = float(sum(op.work().macs for op in bound.ops))
        else:
            self.whole = estimate(bound, device, counted_as(device)).seconds

    def of(self, layer: Layer, parts: Sequence[Part] | None) -> float:
        """Of the layer, or of the parts in its place."""
        graph, made = alone(layer, parts)
        names = {op: index for index, op in enumerate(graph.ops)}
        bound = graph.clone(self._symbols) if self._symbols else graph
        if self._device is None:
            ops = list(bound.ops)
            return float(sum(ops[names[op]].work().macs for op in made))
        costs = estimate(bound, self._device, counted_as(self._device)).ops
        return sum(costs[names[op]].seconds for op in made)


__all__ = ["Factorize"]
