"""Which layers are taken apart, how, and at which rank, for a share of the whole cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from edgec.passes.factorize.layers import Layer
from edgec.passes.factorize.ways import Part, Rank, Way

ROUNDS = 60  # of bisection over the price of a unit of cost


@dataclass(frozen=True)
class Option:
    """One way and rank for a layer, what it costs then, what it loses of its outputs, and what
    the model loses by that."""

    way: Way
    rank: Rank
    cost: float
    lost: float
    weight: float = 1.0

    @property
    def name(self) -> str:
        return self.way.name

    def parts(self) -> list[Part]:
        return self.way.parts(self.rank)


@dataclass
class Plan:
    """The options of all layers.

    Attributes:
        whole: what the model costs as it is.
    """

    whole: float
    own: dict[Layer, float] = field(default_factory=dict)
    options: dict[Layer, list[Option]] = field(default_factory=dict)

    def offer(self, layer: Layer, own: float, option: Option) -> None:
        """One more for a layer that costs ``own`` as it is."""
        self.own[layer] = own
        self.options.setdefault(layer, []).append(option)

    @property
    def least(self) -> float:
        """The share that is left of the cost when every layer takes its cheapest option."""
        saved = sum(self.own[op] - min(o.cost for o in some) for op, some in self.options.items())
        return 1 - saved / self.whole

    def at_goal(self, share: float) -> Mapping[Layer, Option] | None:
        """What loses least and leaves at most that share of the cost; None where nothing does.

        A price on cost makes the choice of each layer its own (Everett 1963); the price is found
        by bisection.
        """
        if self.least > share:
            return None
        low, high = -40.0, 40.0  # of its logarithm, with costs as shares of the whole
        for _ in range(ROUNDS):
            middle = (low + high) / 2
            if self._left(self._at_price(np.exp(middle))) <= share:
                high = middle
            else:
                low = middle
        return self._at_price(np.exp(high))

    def _left(self, chosen: Mapping[Layer, Option]) -> float:
        return 1 - sum(self.own[op] - option.cost for op, option in chosen.items()) / self.whole

    def _at_price(self, price: float) -> dict[Layer, Option]:
        chosen = {}
        for layer, options in self.options.items():
            worth = [_loss(o) + price * (o.cost - self.own[layer]) / self.whole for o in options]
            best = int(np.argmin(worth))
            if worth[best] < 0:
                chosen[layer] = options[best]
        return chosen


def cheapest(plan: Plan) -> Mapping[Layer, Option]:
    """The option that costs least of each layer."""
    return {op: min(some, key=lambda option: option.cost) for op, some in plan.options.items()}


def _loss(option: Option) -> float:
    """Losses of a layer add up as logarithms of what is kept: none can be lost twice."""
    return float(-np.log(max(1 - option.lost, 1e-9))) * option.weight
