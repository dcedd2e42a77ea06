"""Minimum s-t cut: the cheapest way to tell the nodes that are 0 from those that are 1.

An arc u -> v of capacity c costs c where u is 0 and v is 1; SOURCE is 0 and SINK is 1. Any sum of
such costs is submodular, so that a minimum cut is its exact minimum (Kolmogorov and Zabih, 2004).

Networks are chains and blocks, of which little remains once nodes with at most two neighbours are
taken out. What the best choice of such a node costs is a function of its neighbours; minimizing a
submodular function over one variable leaves a submodular one, so that it is again prices of the
two neighbours and an arc between them. What remains is cut one connected part at a time, by
networkx or, where it is large, by compiled loops. All of it is exact.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import networkx as nx

from edgec.kernels import sink_side

SOURCE, SINK = 0, 1
LARGE = 5_000  # nodes: networkx takes 20 s for 50,000
_Arcs = dict[int, tuple[int, int]]
_Taken = tuple[int, int, _Arcs]  # a node, its price, its arcs


class CutProblem:
    """Prices of nodes and arcs between them; all are whole numbers."""

    def __init__(self) -> None:
        self._price: list[int] = [0, 0]  # what it costs a node to be 1 rather than 0
        self._near: list[_Arcs] = [{}, {}]  # neighbour: capacity to it, capacity from it

    def node(self) -> int:
        """A new node."""
        self._near.append({})
        self._price.append(0)
        return len(self._near) - 1

    def price(self, node: int, amount: int) -> None:
        """Costs ``amount`` more where the node is 1 than where it is 0."""
        self._price[node] += amount

    def arc(self, u: int, v: int, there: int, back: int = 0) -> None:
        """Costs ``there`` where u is 0 and v is 1, and ``back`` where u is 1 and v is 0."""
        if u == v or not (there or back):
            return
        if u <= SINK:
            self._price[v] += there if u == SOURCE else -back
        elif v <= SINK:
            self._price[u] += back if v == SOURCE else -there
        else:
            _add(self._near[u], v, there, back)
            _add(self._near[v], u, back, there)

    def solve(self) -> list[int]:
        """0 or 1 for every node: the first two are SOURCE and SINK."""
        taken = self._contract()
        labels = [0, 1] + [-1] * (len(self._near) - 2)
        gone = {node for node, _, _ in taken}
        for part in self._parts(n for n in range(2, len(self._near)) if n not in gone):
            self._cut(part, labels)
        for node, price, arcs in reversed(taken):
            as_zero, as_one = _costs(price, arcs, labels)
            labels[node] = 0 if as_zero <= as_one else 1
        return labels

    def _contract(self) -> list[_Taken]:
        """Take out nodes with at most two neighbours; returns them in order."""
        near, taken = self._near, []
        done = [False] * len(near)
        pending = deque(range(2, len(near)))
        while pending:
            node = pending.popleft()
            if done[node] or len(near[node]) > 2:
                continue
            done[node] = True
            arcs = near[node]
            taken.append((node, self._price[node], arcs))
            near[node] = {}
            for other in arcs:
                del near[other][node]
            self._replace(self._price[node], arcs)
            pending.extend(arcs)
        return taken

    def _replace(self, price: int, arcs: _Arcs) -> None:
        """What a node cost, as prices of its neighbours and an arc between them."""
        if not arcs:
            return
        first, *rest = arcs
        second = rest[0] if rest else SOURCE

        def cheapest(a: int, b: int) -> int:
            return min(_costs(price, arcs, {first: a, second: b}))

        c00, c10 = cheapest(0, 0), cheapest(1, 0)
        self._price[first] += c10 - c00
        if rest:
            c01, c11 = cheapest(0, 1), cheapest(1, 1)
            self._price[second] += c11 - c10
            self.arc(first, second, c01 + c10 - c00 - c11)

    def _parts(self, nodes: Iterable[int]) -> Iterator[list[int]]:
        """The connected parts."""
        seen: set[int] = set()
        for start in nodes:
            if start in seen:
                continue
            seen.add(start)
            part = [start]
            for node in part:  # grows while it is walked
                fresh = [other for other in self._near[node] if other not in seen]
                seen.update(fresh)
                part.extend(fresh)
            yield part

    def _cut(self, part: list[int], labels: list[int]) -> None:
        ones = self._ones(part) if len(part) < LARGE else self._ones_of_many(part)
        for node, one in zip(part, ones, strict=True):
            labels[node] = int(one)

    def _ones(self, part: list[int]) -> Iterator[bool]:
        network = nx.DiGraph()
        network.add_nodes_from((SOURCE, SINK))
        for node in part:
            price = self._price[node]
            if price > 0:
                network.add_edge(SOURCE, node, capacity=price)
            elif price < 0:
                network.add_edge(node, SINK, capacity=-price)
            for other, (there, _) in self._near[node].items():
                network.add_edge(node, other, capacity=there)
        _, (_, ones) = nx.minimum_cut(
            network, SOURCE, SINK, flow_func=nx.algorithms.flow.boykov_kolmogorov
        )
        return (node in ones for node in part)

    def _ones_of_many(self, part: list[int]) -> list[bool]:
        number = {node: index for index, node in enumerate((SOURCE, SINK, *part))}
        arcs = []
        for node in part:
            price = self._price[node]
            if price > 0:
                arcs.append((SOURCE, number[node], price, 0))
            elif price < 0:
                arcs.append((number[node], SINK, -price, 0))
            arcs += [
                (number[node], number[other], there, back)
                for other, (there, back) in self._near[node].items()
                if number[node] < number[other]
            ]
        return sink_side(len(number), arcs, SOURCE, SINK)[2:]


def _add(arcs: _Arcs, node: int, there: int, back: int) -> None:
    old_there, old_back = arcs.get(node, (0, 0))
    arcs[node] = (old_there + there, old_back + back)


def _costs(price: int, arcs: _Arcs, labels: dict[int, int] | list[int]) -> tuple[int, int]:
    """What it costs a node to be 0, and to be 1, given its neighbours."""
    as_zero, as_one = 0, price
    for other, (there, back) in arcs.items():
        if labels[other]:
            as_zero += there
        else:
            as_one += back
    return as_zero, as_one
