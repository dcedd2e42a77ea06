"""Judging other computations of a quantized graph.

Two computations of one quantized graph differ where a sum lies so close to the middle between two
integers that the last bits of its arithmetic decide; further layers carry that on. How far it is
carried is a property of the graph, so the graph is asked (as ``kernels/judge.py`` does for floats):
it runs again with everything that is about to be rounded moved at random by up to ``SLACK`` of a
step. A runtime may also round the other operand of a product with integer weights to 8 bits, as
onnxruntime does unless told otherwise: there it is moved by up to half a step of such a grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgec.ir import Array, Constant, DType, Graph, Movement, Op, Value
from edgec.ir.ops import Dequantize, IntegerDequantize, MatMul, Quantize
from edgec.kernels import Comparison, Executor, Judge, Tolerance, compare, tolerance_of

# Integer kernels compute what they round to this part of a step: onnxruntime's product of two
# values differs from the exact one on 1.1 % of results (``docs/quantization.md``), which a
# deviation of up to 1/32 of a step accounts for; its convolutions on far fewer.
SLACK = 1 / 32
# The share of results of integer ops that another arithmetic rounds the other way: of XNNPACK's,
# up to 5 % are off by one (``docs/tflite.md``).
OTHERWISE = 1 / 20
DRAWS = 4
FACTOR = 2.0  # two computations differ from the middle by one draw each


def judge_of(
    graph: Graph,
    inputs: Mapping[str, Array],
    executor: Executor,
    stored: DType | None = None,
) -> Judge | GridJudge:
    """The judge that fits a graph: by its grids where it computes on some, else by its floats.

    Args:
        stored: what a writer rounded float weights to, None when it wrote them as they are.
    """
    shaker = _Shaker(graph, 0)
    if shaker.steps or shaker.products or shaker.integers:
        return GridJudge(graph, inputs, executor)
    judge = Judge(graph, inputs, executor=executor)
    if stored is not None:
        judge.tolerance = tolerance_of(graph, stored=stored)
    return judge


class GridJudge:
    """The reference outputs of a quantized graph for one set of inputs, and the comparison.

    Args:
        graph: must not change afterwards.
        inputs: arrays by name.
    """

    def __init__(self, graph: Graph, inputs: Mapping[str, Array], executor: Executor) -> None:
        self.graph = graph
        self.inputs = inputs
        self.executor = executor
        self.expected = executor.run(inputs)
        self.float_tolerance = tolerance_of(graph)
        self._moved: dict[str, float] | None = None
        self._steps = {
            name: _step(value)
            for name, value in zip(graph.output_names, graph.outputs, strict=True)
        }

    def compare(self, name: str, actual: Array) -> Comparison:
        """The output of that name, against the reference's."""
        expected = self.expected[name]
        found = compare(actual, expected, self.float_tolerance)
        return found if found else compare(actual, expected, self.tolerance(name))

    def tolerance(self, name: str) -> Tolerance:
        """One step of the output's grid, and what roundings that fall otherwise lead to."""
        expected = self.expected[name]
        step, moved = self._steps[name], self.movements()[name]
        if not np.issubdtype(expected.dtype, np.floating):
            steps = int(np.ceil(1 + FACTOR * moved))
            return Tolerance(0, 0, steps, f"{steps} steps: {_why(moved)}")
        allowed = step + FACTOR * moved
        largest = float(np.abs(expected).max(initial=0))
        within = self.float_tolerance
        unit = step or largest / 255 or 1.0
        why = f"{allowed / unit:.1f} steps of {unit:.2g}: {_why(moved / unit)}"
        if not largest:
            return replace(within, absolute=allowed, why=why)
        return replace(within, relative=within.relative + allowed / largest, why=why)

    def movements(self) -> Mapping[str, float]:
        """By how much each output moves when roundings fall otherwise."""
        if self._moved is None:
            shakers = [_Shaker(self.graph, seed) for seed in range(DRAWS)]
            drawn = [self.executor.run(self.inputs, tap=s, inner_tap=s) for s in shakers]
            self._moved = {
                name: max(_largest(run[name], expected) for run in drawn)
                for name, expected in self.expected.items()
            }
        return self._moved


def _why(moved: float) -> str:
    return (
        f"one, and {FACTOR:g} times the {moved:.1f} by which it moves when sums about halfway "
        "between two integers are rounded the other way"
    )


class _Shaker:
    """A tap that moves what is about to be quantized by up to SLACK of the step."""

    def __init__(self, graph: Graph, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.steps: dict[Value, float] = {}
        self.products: set[Value] = set()
        self.integers: set[Value] = set()
        for op in graph.walk:
            if isinstance(op, Quantize) and isinstance(op.scale, Constant):
                self.steps[op.x] = float(op.scale.array.min())
            elif isinstance(op, MatMul) and _is_dequantized(op.b) and not _is_dequantized(op.a):
                self.products.add(op.a)
            elif op.result.type.quant is not None and not op.has(Movement):
                self.integers.add(op.result)

    def __call__(self, op: Op, results: Sequence[Array]) -> None:
        for value, array in zip(op.results, results, strict=True):
            if not array.flags.writeable or not array.size:
                continue
            if value in self.steps:
                self._move(array, SLACK * self.steps[value])
            elif value in self.products:
                self._move(array, float(np.abs(array).max()) / 254)
            elif value in self.integers:
                self._step(array)

    def _move(self, array: Array, reach: float) -> None:
        noise = self.rng.random(array.shape, np.float32)
        noise -= np.float32(0.5)
        noise *= np.float32(2 * reach)
        with np.errstate(over="ignore"):  # a mask is as low as float32 goes
            array += noise.astype(array.dtype, copy=False)

    def _step(self, array: Array) -> None:
        """Move some integers by one: a runtime's fast kernels round to other arithmetic."""
        lowest, highest = np.iinfo(array.dtype).min, np.iinfo(array.dtype).max
        chance = self.rng.random(array.shape, np.float32)
        moved = (chance < OTHERWISE / 2).astype(np.int32) - (chance > 1 - OTHERWISE / 2)
        array[...] = np.clip(array + moved, lowest, highest)


def _is_dequantized(value: Value) -> bool:
    return isinstance(value.producer, Dequantize)


def _step(value: Value) -> float:
    """The step of the grid that an output lies on; 0 for an output that is on none."""
    op = value.producer
    readers = (Dequantize, IntegerDequantize)
    while op is not None and not isinstance(op, readers) and len(op.operands) == 1:
        op = op.operands[0].producer if op.operands[0] is not None else None
    if isinstance(op, Dequantize) and isinstance(op.scale, Constant):
        return float(op.scale.array.max())
    if isinstance(op, IntegerDequantize) and op.x.type.quant is not None:
        return max(op.x.type.quant.scale)
    return 0.0


def _largest(moved: Array, expected: Array) -> float:
    if moved.shape != expected.shape or not expected.size:
        return 0.0
    return float(np.abs(moved.astype(np.float64) - expected.astype(np.float64)).max())
