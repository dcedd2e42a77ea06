"""Arenas and orders of the real models, optimized."""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgec.ir import Effect, Graph, Op
from edgec.kernels import Memory, default_shapes, peak_of, plan_buffers, reads_of
from edgec.passes import Reordering, reordered
from edgec.tools import driver
from edgec.tools.bench.models import bench_shapes

SHUFFLES = 9


@dataclass(frozen=True)
class MemoryRow:
    """One model; bytes.

    Attributes:
        peak: most bytes alive at once, by way of sharing; arena: what the planner found.
        reordered: the peak after ``reorder``.
        proven: ways of sharing under which no order has a lower peak.
        shuffled: the median peak of random legal orders with nothing shared.
    """

    name: str
    peak: Mapping[str, int]
    arena: Mapping[str, int]
    reordered: Mapping[str, int]
    proven: Mapping[str, bool]
    shuffled: int


def memory_row(path: Path) -> MemoryRow:
    """Plan and reorder one model, optimized by the default pipeline."""
    graph = driver.load(path, input_shapes={})
    shapes = bench_shapes(graph)
    graph = graph.clone(dict(default_shapes(graph) | shapes))
    driver.optimize(graph)
    found: Reordering = reordered(graph)
    plans = {one: plan_buffers(graph, {}, Memory(one), search=True) for one in found.before}
    orders = [_shuffled(graph, seed) for seed in range(SHUFFLES)]
    return MemoryRow(
        path.stem,
        {one: plan.peak_bytes for one, plan in plans.items()},
        {one: plan.arena_bytes for one, plan in plans.items()},
        found.after,
        found.proven,
        round(statistics.median(peak_of(graph, {}, Memory("none"), one) for one in orders)),
    )


def _shuffled(graph: Graph, seed: int) -> list[Op]:
    """A legal order at random."""
    chosen = random.Random(seed)
    waits = {op: {v.producer for v in reads_of(op) if v.producer is not None} for op in graph.ops}
    previous: Op | None = None
    for op in graph.ops:
        if op.has(Effect) and previous is not None:
            waits[op].add(previous)
        previous = op if op.has(Effect) else previous
    order: list[Op] = []
    while waits:
        op = chosen.choice([op for op, missing in waits.items() if not missing])
        order.append(op)
        del waits[op]
        for missing in waits.values():
            missing.discard(op)
    return order
