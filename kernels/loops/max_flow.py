"""Maximum flow by blocking flows (Dinic, 1970), for networks too large for a Python library.

Capacities are whole numbers below 2^124: two parts of 62 bits, high and low, each in an int64.
Arcs are numbered by the node that they leave: those of node n are ``first[n]`` to ``first[n + 1]``;
arc a leads to ``to[a]``, and its opposite is arc ``back[a]``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgec.kernels.jit import jit
from edgec.kernels.max_flow import LOW_BITS

Ints = NDArray[np.int64]
BASE = np.int64(1 << LOW_BITS)


@jit
def saturate(
    first: Ints, to: Ints, back: Ints, high: Ints, low: Ints, source: int, sink: int
) -> None:
    """Turn capacities into what a maximum flow from ``source`` to ``sink`` leaves of them."""
    nodes = len(first) - 1
    level = np.empty(nodes, np.int64)
    path = np.empty(nodes, np.int64)
    current = np.empty(nodes, np.int64)
    while _set_levels(first, to, high, low, source, sink, level):
        current[:] = first[:-1]
        depth, node = 0, source
        while True:
            if node == sink:
                depth = _push(path[:depth], back, high, low)
                node = to[back[path[depth]]]
            arc = current[node] = _next(current[node], first[node + 1], to, high, low, level, node)
            if arc < first[node + 1]:
                path[depth] = arc
                depth += 1
                node = to[arc]
            elif depth == 0:
                break
            else:
                depth -= 1
                node = to[back[path[depth]]]
                current[node] += 1


@jit
def _set_levels(
    first: Ints, to: Ints, high: Ints, low: Ints, source: int, sink: int, level: Ints
) -> bool:
    """How many arcs with capacity left each node is away from the source; False when the sink
    cannot be reached."""
    queue = np.empty(len(level), np.int64)
    level[:] = -1
    level[source] = 0
    queue[0] = source
    begin, end = 0, 1
    while begin < end and level[sink] < 0:
        node = queue[begin]
        begin += 1
        for arc in range(first[node], first[node + 1]):
            if level[to[arc]] < 0 and (high[arc] > 0 or low[arc] > 0):
                level[to[arc]] = level[node] + 1
                queue[end] = to[arc]
                end += 1
    return bool(level[sink] >= 0)


@jit
def _next(arc: int, stop: int, to: Ints, high: Ints, low: Ints, level: Ints, node: int) -> int:
    """The first arc from there on that has capacity left and leads one level further."""
    while arc < stop:
        if level[to[arc]] == level[node] + 1 and (high[arc] > 0 or low[arc] > 0):
            break
        arc += 1
    return arc


@jit
def _push(path: Ints, back: Ints, high: Ints, low: Ints) -> int:
    """Send what the arcs of a path let through; returns which is the first to be full."""
    narrow = path[0]
    for arc in path:
        if high[arc] < high[narrow] or (high[arc] == high[narrow] and low[arc] < low[narrow]):
            narrow = arc
    least_high, least_low = high[narrow], low[narrow]
    full = 0
    for step in range(len(path) - 1, -1, -1):
        arc, other = path[step], back[path[step]]
        low[arc] -= least_low
        borrow = 1 if low[arc] < 0 else 0
        low[arc] += borrow * BASE
        high[arc] -= least_high + borrow
        low[other] -= BASE - least_low  # their sum may not fit
        carry = 1 if low[other] >= 0 else 0
        low[other] += (1 - carry) * BASE
        high[other] += least_high + carry
        if high[arc] == 0 and low[arc] == 0:
            full = step
    return full


@jit
def reaching(first: Ints, to: Ints, back: Ints, high: Ints, low: Ints, sink: int) -> Ints:
    """1 for each node from which arcs that have capacity left lead to ``sink``."""
    nodes = len(first) - 1
    found = np.zeros(nodes, np.int64)
    queue = np.empty(nodes, np.int64)
    found[sink] = 1
    queue[0] = sink
    begin, end = 0, 1
    while begin < end:
        node = queue[begin]
        begin += 1
        for arc in range(first[node], first[node + 1]):
            other = back[arc]
            if found[to[arc]] == 0 and (high[other] > 0 or low[other] > 0):
                found[to[arc]] = 1
                queue[end] = to[arc]
                end += 1
    return found
