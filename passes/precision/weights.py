"""Weights as small integers beside float arithmetic: the file shrinks, activations stay float."""

from __future__ import annotations

from dataclasses import dataclass

from edgec.ir import Code, Constant, Error, Graph, Op, Rewriter, Value, dtypes
from edgec.ir.ops import Conv, ConvTranspose, Dequantize, Gather, MatMul, Recurrent
from edgec.passes.base import Pass
from edgec.passes.context import current
from edgec.passes.pattern import Miss
from edgec.passes.precision.grids import STORED, WeightGrid, fitted
from edgec.passes.promise import Lossy

GROUP = 32  # inputs that share a scale of 4 bits, as onnxruntime's and llama.cpp's formats have it


@dataclass(frozen=True)
class Place:
    """Where an op holds weights: the operand, its axis of outputs and its axis of inputs."""

    index: int
    outputs: int
    inputs: int


@dataclass(frozen=True)
class WeightsOnly(Pass):
    """Store weights as integers of 8 or 4 ``bits``, followed by dequantize; arithmetic stays float.

    8 bits: one scale per output channel of matmuls, convolutions and tables. 4 bits: one scale per
    ``group`` inputs of an output (32 when 0), matmuls and tables only. Weights of fewer than
    ``least`` elements stay as they are.
    """

    name = "weights"
    promise = Lossy("sqnr_db", 10.0)  # 4 bits in groups of 32 leave 7 to 9 % on normal weights

    bits: int = 8
    group: int = 0
    least: int = 1024

    def __post_init__(self) -> None:
        if self.bits not in STORED:
            raise Error(Code.OPTION, f"weights{{bits={self.bits}}} is none", instead="bits=8 or 4")
        if self.group < 0 or (self.group and self.bits == 8):
            raise Error(
                Code.OPTION,
                f"weights{{bits={self.bits},group={self.group}}} is none",
                instead="a group of 4-bit weights, such as weights{bits=4,group=32}",
            )

    def run(self, graph: Graph, rw: Rewriter) -> None:
        context = current()
        for part in tuple(graph.graphs):
            made: dict[tuple[Value, int], Value] = {}
            for op in tuple(part.ops):
                for place in places_of(op):
                    reason = self._why_not(op, place)
                    if reason is not None:
                        context.statistics.missed(self.name, Miss(reason, near=True), op)
                    elif context.fuel.spend(self.name, op):
                        self._store(op, place, made)
                        context.statistics.applied[f"{self.bits}-bit weights of {op.op_name}"] += 1

    def _why_not(self, op: Op, place: Place) -> str | None:
        weights = op.operands[place.index]
        if not isinstance(weights, Constant) or weights.type.dtype is not dtypes.f32:
            return "its weights are no float32 constant"
        if weights.type.elements() < self.least:
            return f"it has fewer than {self.least} weights"
        if self.bits == 4 and not isinstance(op, (Gather, MatMul)):
            return "4-bit weights of convolutions and recurrent layers run nowhere"
        return None

    def _store(self, op: Op, place: Place, made: dict[tuple[Value, int], Value]) -> None:
        weights = op.operands[place.index]
        assert isinstance(weights, Constant), "asked before"
        real = made.get((weights, place.outputs))
        if real is None:
            grid = self.grid(weights, place)
            real = dequantized(weights, grid, op)
            made[weights, place.outputs] = real
        assert op.graph is not None, "it is in the graph that is walked"
        Rewriter(op.graph).set_operand(op, place.index, real)

    def grid(self, weights: Constant, place: Place) -> WeightGrid:
        """The integers and scales for weights in that place."""
        if self.bits == 8:
            return fitted(weights.array, 8, place.outputs)
        return fitted(weights.array, 4, place.inputs, self.group or GROUP)


def places_of(op: Op) -> tuple[Place, ...]:
    """Where an op that multiplies weights, or looks them up, has them; none for other ops."""
    if isinstance(op, MatMul):
        return _matmul_places(op)
    if isinstance(op, Conv):
        return (Place(1, 0, 1),)
    if isinstance(op, ConvTranspose) and op.groups == 1:
        return (Place(1, 1, 0),)
    if isinstance(op, Gather) and op.axis == 0 and op.x.type.rank == 2:
        return (Place(0, 0, 1),)
    if isinstance(op, Recurrent):
        return Place(1, 1, 2), Place(2, 1, 2)
    return ()


def _matmul_places(op: MatMul) -> tuple[Place, ...]:
    """Of the right operand, or else of the left; both have rank 2."""
    if isinstance(op.b, Constant) and op.b.type.rank == 2:
        return (Place(1, 0, 1) if op.transpose_b else Place(1, 1, 0),)
    if isinstance(op.a, Constant) and op.a.type.rank == 2:
        return (Place(0, 1, 0) if op.transpose_a else Place(0, 0, 1),)
    return ()


def dequantized(weights: Constant, grid: WeightGrid, before: Op) -> Value:
    """The stored integers, and a dequantize before the op; every later reader may share it."""
    stored = Constant(grid.stored, hint=weights.hint)
    scale = Constant(grid.scale, hint=f"{weights.hint}.scale")
    graph = before.graph
    assert graph is not None, "it is in the graph that is walked"
    made = Dequantize(stored, scale, axis=grid.axis, block=grid.block)
    return Rewriter(graph).at(before).add(made).result
