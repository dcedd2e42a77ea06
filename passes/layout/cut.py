"""Minimum s-t cut: the cheapest way to tell the nodes that are 0 from those that are 1.

An arc u -> v of capacity c costs c where u is 0 and v is 1; SOURCE is 0 and SINK is 1. Any sum of
such costs is submodular, so that a minimum cut is its exact minimum (Kolmogorov and Zabih, 2004).

Networks are chains and blocks, of which little remains once nodes with at most two neighbours are
taken out: such a node follows from its neighbours, and leaves one arc each way between them whose
capacity is the smaller of the two on the path (flows in series; those in parallel add up). What
remains is cut by networkx, one connected part at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import networkx as nx

SOURCE, SINK = 0, 1
_Arcs = dict[int, tuple[int, int]]


class CutProblem:
    """Arcs between nodes that are numbered from 2; capacities are whole numbers."""

    def __init__(self) -> None:
        self._near: list[_Arcs] = [{}, {}]  # neighbour: capacity to it, capacity from it

    def node(self) -> int:
        """A new node."""
        self._near.append({})
        return len(self._near) - 1

    def arc(self, u: int, v: int, there: int, back: int = 0) -> None:
        """Costs ``there`` where u is 0 and v is 1, and ``back`` where u is 1 and v is 0."""
        if u != v and (there or back):
            _add(self._near[u], v, there, back)
            _add(self._near[v], u, back, there)

    def solve(self) -> list[int]:
        """0 or 1 for every node: the first two are SOURCE and SINK."""
        taken = self._contract()
        labels = [0, 1] + [-1] * (len(self._near) - 2)
        eliminated = {node for node, _ in taken}
        core = [n for n in range(2, len(self._near)) if n not in eliminated]
        for part in self._parts(core):
            self._cut(part, labels)
        for node, arcs in reversed(taken):
            labels[node] = _cheaper(arcs, labels)
        return labels

    def _contract(self) -> list[tuple[int, _Arcs]]:
        """Take out nodes with at most two neighbours; returns them with their arcs, in order."""
        near, taken = self._near, []
        done = [False] * len(near)
        pending = deque(range(2, len(near)))
        while pending:
            node = pending.popleft()
            if done[node] or len(near[node]) > 2:
                continue
            done[node] = True
            arcs = near[node]
            taken.append((node, arcs))
            near[node] = {}
            for other in arcs:
                del near[other][node]
            if len(arcs) == 2:
                (a, (to_a, from_a)), (b, (to_b, from_b)) = arcs.items()
                self.arc(a, b, min(from_a, to_b), min(from_b, to_a))
            pending.extend(other for other in arcs if other > SINK)
        return taken

    def _parts(self, nodes: Iterable[int]) -> Iterator[list[int]]:
        """The connected parts, SOURCE and SINK connecting nothing."""
        seen: set[int] = set()
        for start in nodes:
            if start in seen:
                continue
            seen.add(start)
            part = [start]
            for node in part:
                fresh = [n for n in self._near[node] if n > SINK and n not in seen]
                seen.update(fresh)
                part.extend(fresh)
            yield part

    def _cut(self, part: list[int], labels: list[int]) -> None:
        network = nx.DiGraph()
        network.add_nodes_from((SOURCE, SINK))
        for node in part:
            for other, (there, back) in self._near[node].items():
                network.add_edge(node, other, capacity=there)
                network.add_edge(other, node, capacity=back)
        _, (zeros, _) = nx.minimum_cut(network, SOURCE, SINK, flow_func=_FLOW)
        for node in part:
            labels[node] = 0 if node in zeros else 1


_FLOW = nx.algorithms.flow.boykov_kolmogorov


def _add(arcs: _Arcs, node: int, there: int, back: int) -> None:
    old_there, old_back = arcs.get(node, (0, 0))
    arcs[node] = (old_there + there, old_back + back)


def _cheaper(arcs: _Arcs, labels: list[int]) -> int:
    """What a node is best off being, given its neighbours."""
    as_zero = sum(there for other, (there, _) in arcs.items() if labels[other] == 1)
    as_one = sum(back for other, (_, back) in arcs.items() if labels[other] == 0)
    return 0 if as_zero < as_one else 1
