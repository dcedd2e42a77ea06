"""Minimum cuts of large networks, whose capacities are whole numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LOW_BITS = 62  # of a capacity, in the lower of its two integers

Arc = tuple[int, int, int, int]
"""Two nodes, and the capacity from the one to the other and back."""

LARGEST = 1 << 2 * LOW_BITS  # above what all capacities of a network are together


def sink_side(nodes: int, arcs: Sequence[Arc], source: int, sink: int) -> list[bool]:
    """For each node, whether it lies beyond a minimum cut: of several cuts the one with the fewest
    nodes beyond it.

    Args:
        nodes: their number.
        arcs: between different nodes; the capacities of all together are below ``LARGEST``.
    """
    from edgec.kernels.loops.max_flow import reaching, saturate  # loads the compiler

    count = len(arcs)
    ends = np.array([arc[:2] for arc in arcs], dtype=np.int64).reshape(count, 2)
    leaves = np.concatenate([ends[:, 0], ends[:, 1]])
    order = np.argsort(leaves, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(2 * count)
    first = np.searchsorted(leaves[order], np.arange(nodes + 1))
    to = np.concatenate([ends[:, 1], ends[:, 0]])[order]
    back = np.concatenate([place[count:], place[:count]])[order]
    capacities = [arc[2] for arc in arcs] + [arc[3] for arc in arcs]
    mask = (1 << LOW_BITS) - 1
    high = np.array([number >> LOW_BITS for number in capacities], dtype=np.int64)[order]
    low = np.array([number & mask for number in capacities], dtype=np.int64)[order]
    saturate(first, to, back, high, low, source, sink)
    return [bool(beyond) for beyond in reaching(first, to, back, high, low, sink)]
