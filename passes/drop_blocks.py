"""Whole residual blocks go: x + f(x) becomes x where f adds least."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgec.ir import Array, Code, Constant, Error, Graph, Op, Rewriter, Value
from edgec.ir.ops import Add
from edgec.kernels import Executor, Sample
from edgec.passes.base import Pass
from edgec.passes.context import current
from edgec.passes.dce import DeadCodeElimination
from edgec.passes.promise import Lossy
from edgec.passes.reconstruct import evenly
from edgec.passes.recover import recover, teacher_of


@dataclass(frozen=True)
class Block:
    """A residual block: ``end`` adds what was made of ``skip`` to it."""

    skip: Value
    end: Add


@dataclass(frozen=True)
class DropBlocks(Pass):
    """Take out the ``count`` residual blocks without which the outputs change least.

    One after another: each time every block that is left is tried, over ``judged`` samples of the
    data. ``recover`` then fits the layers that are left to what they gave before, over ``samples``
    samples at ``places`` places of each.
    """

    name = "drop-blocks"
    promise = Lossy("sqnr_db", 0.0)

    count: int = 1
    judged: int = 8
    recover: bool = True
    samples: int = 64
    places: int = 128
    damping: float = 0.0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise Error(Code.OPTION, f"count={self.count} drops nothing", instead="count=1")

    def run(self, graph: Graph, rw: Rewriter) -> None:
        context = current()
        data = context.require_data("blocks are weighed by what the outputs lose over data")
        there = len(list(blocks_of(graph)))
        if there < self.count:
            raise Error(
                Code.GOAL,
                f"{self} wants {self.count} residual blocks, and there are {there}",
                instead="prune takes channels instead",
            )
        samples = list(evenly(data, self.judged))
        wanted = _outputs(graph, samples)
        teacher = teacher_of(graph)
        for _ in range(self.count):
            blocks = list(blocks_of(graph))
            losses = [_loss(graph, index, samples, wanted) for index in range(len(blocks))]
            best = blocks[int(np.argmin(losses))]
            if not context.fuel.spend(self.name, best.end):
                break
            context.statistics.applied["drop residual blocks"] += 1
            _drop(best, graph)
        if self.recover:
            fitted = recover(graph, teacher, self.samples, self.places, self.damping)
            context.statistics.applied["recover layers"] += fitted


def blocks_of(graph: Graph) -> Iterator[Block]:
    """The residual blocks of the outermost graph, in order: sums of equal types of a value and
    what is made of it alone."""
    for op in graph.ops_of(Add):
        assert isinstance(op, Add), "asked for"
        one, other = op.operands
        if one is None or other is None or one.type != other.type:
            continue
        for skip, branch in ((one, other), (other, one)):
            if op.result.type == skip.type and skip is not branch and _is_made_of(branch, skip):
                yield Block(skip, op)
                break


def _is_made_of(branch: Value, skip: Value) -> bool:
    """True when every path that leads to ``branch`` comes from ``skip`` or constants."""
    seen: set[Op] = set()
    waiting = [branch]
    found = False
    while waiting:
        value = waiting.pop()
        if value is skip:
            found = True
        elif not isinstance(value, Constant):
            op = value.producer
            if op is None:
                return False
            if op not in seen:
                seen.add(op)
                waiting += op.present_operands
    return found


def _drop(block: Block, graph: Graph) -> None:
    rw = Rewriter(graph)
    rw.replace_uses(block.end.result, block.skip)
    rw.erase(block.end)
    DeadCodeElimination().run(graph, rw)


def _loss(
    graph: Graph, index: int, samples: Sequence[Sample], wanted: Sequence[Sequence[Array]]
) -> float:
    """How far the outputs are off without that block, as a share of their energy."""
    trial = graph.clone()
    _drop(list(blocks_of(trial))[index], trial)
    off = 0.0
    for one, right in zip(_outputs(trial, samples), wanted, strict=True):
        for found, true in zip(one, right, strict=True):
            energy = float(np.square(true, dtype=np.float64).sum())
            off += float(np.square(found - true, dtype=np.float64).sum()) / max(energy, 1e-30)
    return off


def _outputs(graph: Graph, samples: Sequence[Sample]) -> list[list[Array]]:
    executor = Executor(graph)
    names = graph.input_names
    return [list(executor.run({n: sample[n] for n in names}).values()) for sample in samples]
