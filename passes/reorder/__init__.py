"""Reordering ops so that less memory is alive at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgec.ir import Code, Error, Graph, Op, Rewriter
from edgec.kernels import SHARING, Memory, default_shapes, peak_of
from edgec.passes.base import Pass
from edgec.passes.context import current
from edgec.passes.promise import Exact
from edgec.passes.reorder.model import memory_model
from edgec.passes.reorder.search import best_order
from edgec.passes.reorder.windows import Window, windows_of

ANY_SHARING = "any"


@dataclass(frozen=True)
class Reordering:
    """An order of a graph's ops, and the peak before and after for each way of sharing memory.

    ``proven`` says for each of them whether no order has a lower peak.
    """

    order: tuple[Op, ...]
    before: dict[str, int]
    after: dict[str, int]
    proven: dict[str, bool]


@dataclass(frozen=True)
class Reorder(Pass):
    """Put ops in the order that has the fewest bytes of activations alive at once.

    Exact for windows of few states, by beam search beyond (``search.py``). Symbolic dims count as
    ``default_shapes`` has them. The peak never gets higher than it was, under any way in which a
    runtime may share memory between values (``sharing``: none, reshape, all; any stands for all
    three), and what is no better stays in its place.
    """

    name = "reorder"
    promise = Exact()

    sharing: str = ANY_SHARING
    effort: int = 40_000

    def run(self, graph: Graph, rw: Rewriter) -> None:
        if self.sharing not in (ANY_SHARING, *SHARING):
            raise Error(
                Code.OPTION,
                f"reorder{{sharing={self.sharing}}} is not known",
                instead=f"one of {', '.join((ANY_SHARING, *SHARING))}",
            )
        context = current()
        for part in reversed(list(graph.graphs)):  # inner ones first: what they need counts outside
            found = reordered(part, self.sharing, self.effort)
            moved = _moved(part, found.order)
            if moved and context.fuel.spend(self.name, moved[0]):
                for op in found.order:
                    rw.move_into(op, part.terminator)
                context.statistics.applied[self.name] += len(moved)


def reordered(graph: Graph, sharing: str = ANY_SHARING, effort: int = 40_000) -> Reordering:
    """The best order found for one graph (or region); its present order when none is better."""
    symbols = default_shapes(graph.root)
    watched = SHARING if sharing == ANY_SHARING else (sharing,)
    order = list(graph.ops)

    def peaks(order: Sequence[Op]) -> dict[str, int]:
        return {one: peak_of(graph, symbols, Memory(one), order) for one in watched}

    before = best = peaks(order)
    bounds: dict[str, int] = {}
    for one in reversed(watched):
        ops = list(graph.ops)
        indices, bounds[one] = _search(graph, Memory(one), effort)
        candidate = [ops[index] for index in indices]
        found = peaks(candidate)
        if found != best and all(found[way] <= best[way] for way in watched):
            order, best = candidate, found
    proven = {one: best[one] <= bounds[one] for one in watched}
    return Reordering(tuple(order), before, best, proven)


def _search(graph: Graph, memory: Memory, effort: int) -> tuple[list[int], int]:
    """The best order of the ops by their numbers, and a peak that no order goes below: windows with
    the highest peaks first, until the others do not matter."""
    windows = windows_of(memory_model(graph, default_shapes(graph.root), memory))
    orders: dict[int, Sequence[int]] = {w.begin: range(len(w.tasks)) for w in windows}
    present = [(window.peak(orders[window.begin]), window) for window in windows]
    floor = bound = 0
    for peak, window in sorted(present, key=lambda pair: -pair[0]):
        if peak <= floor:
            break
        found = best_order(window, floor, effort)
        orders[window.begin] = found.order
        floor = max(floor, found.peak)
        proven = found.proven and not window.cut
        bound = max(bound, found.peak if proven else window.least)
    return [w.begin + number for w in windows for number in orders[w.begin]], bound


def _moved(graph: Graph, order: Sequence[Op]) -> list[Op]:
    return [new for old, new in zip(graph.ops, order, strict=True) if old is not new]


__all__ = ["Reorder", "Reordering", "Window", "reordered"]
