"""How much the outputs of a graph move when what it reads is rounded anew.

A computation is as good as one can ask when its result is exact for operands that differ from the
given ones by their rounding (backward stability: Higham, "Accuracy and Stability of Numerical
Algorithms", section 1.5). Where that alone moves an output by more than its bound, as when a mean
cancels, the bound is of no use, and the movement is the measure instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ml_dtypes
import numpy as np

from edgec.ir import Array, Constant, Graph, Op, Rewriter, Value, clone_op
from edgec.ir.ops import Gelu, Recurrent, Silu
from edgec.kernels import Executor, Judge, distance, is_bounded

DRAWS = 6
# Made of activations of a bounded range, and accurate to that range, not to a perhaps tiny result.
_BOUNDED_INSIDE = (Gelu, Recurrent, Silu)


def movements(judge: Judge) -> dict[str, float]:
    """By how much each output moves, relative to its largest value, when every result, input and
    weight is rounded anew; and by what ``Judge`` finds, if that is more."""
    found = dict(judge.movements())
    graph, given = with_open_weights(judge.graph, judge.inputs)
    executor = Executor(graph)
    rng = np.random.default_rng(0)

    def tap(op: Op, results: Sequence[Array]) -> None:
        floor = 1.0 if _is_bounded_inside(op) else 0.0
        for array in results:
            if array.flags.writeable:
                array[...] = _moved(array, rng, floor)

    for _ in range(DRAWS):
        drawn = {name: _moved(array, rng) for name, array in given.items()}
        moved = executor.run(drawn, tap=tap, inner_tap=tap)
        for name, expected in judge.expected.items():
            found[name] = max(found[name], distance(moved[name], expected))
    return found


def _is_bounded_inside(op: Op) -> bool:
    fused = getattr(op, "act", "none") == "silu"
    return fused or is_bounded(op) or isinstance(op, _BOUNDED_INSIDE)


def with_open_weights(graph: Graph, inputs: Mapping[str, Array]) -> tuple[Graph, dict[str, Array]]:
    """A copy whose floating-point constants are inputs, and the arrays for all of its inputs."""
    made = Graph(graph.name)
    rewriter = Rewriter(made)
    given = dict(inputs)
    copies: dict[Value, Value] = {}
    for value in graph.inputs:
        copies[value] = rewriter.add_input(value.hint, value.type)
    for index, constant in enumerate(graph.constants):
        if constant.type.dtype.is_float and not _must_be_known(constant):
            name = f"weight {index}"
            given[name] = constant.array
            copies[constant] = rewriter.add_input(name, constant.type)
    for op in graph.ops:
        rewriter.add(clone_op(op, copies, {}, made))
    outputs = [copies.get(value, value) for value in graph.outputs]
    rewriter.finish([_own(value) for value in outputs], graph.output_names)
    return made, given


def _must_be_known(constant: Constant) -> bool:
    """True for what types follow from, such as the scales of a Resize."""
    return any(user.op_name in ("resize.resize", "shape.range") for user in constant.users)


def _own(value: Value) -> Value:
    return Constant(value.weight, type=value.type) if isinstance(value, Constant) else value


def _moved(array: Array, rng: np.random.Generator, floor: float = 0.0) -> Array:
    """Every element replaced by one that is at most one unit in the last place away."""
    try:
        unit = float(ml_dtypes.finfo(array.dtype).eps)  # type: ignore[no-untyped-call]
    except ValueError:
        return array  # integers
    exact = array.astype(np.float64)
    noise = rng.uniform(-unit, unit, array.shape)
    with np.errstate(over="ignore", invalid="ignore"):
        return (exact + noise * np.maximum(np.abs(exact), floor)).astype(array.dtype)
