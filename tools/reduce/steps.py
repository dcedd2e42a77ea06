"""The steps of a reduction: what could be smaller or plainer, one change at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from edgec.ir import Array, Constant, Error, Graph, Value
from edgec.kernels import Executor, seeded_inputs
from edgec.tools.reduce.change import Change
from edgec.tools.reduce.shapes import smaller_shapes

Step = Callable[[Graph], Iterator[Change]]
MOST_ELEMENTS = 1 << 16  # of a value that becomes a constant
FLOATS = (0.0, 1.0)
CONSTANTS = "constants"


def fewer_outputs(graph: Graph) -> Iterator[Change]:
    """Each output alone, then all but one."""
    places = range(len(graph.outputs))
    if len(places) > 1:
        yield from (Change(outputs=(place,)) for place in places)
    if len(places) > 2:
        yield from (Change(outputs=tuple(p for p in places if p != out)) for out in places)


def bypassed(graph: Graph) -> Iterator[Change]:
    """Read an operand in place of a result of its type."""
    for op in graph.ops:
        for operand in op.present_operands:
            if operand.type == op.result.type and len(op.results) == 1:
                yield Change(reads={op.result: operand})


def merged_inputs(graph: Graph) -> Iterator[Change]:
    """Read one input in place of another of its type."""
    for index, value in enumerate(graph.inputs):
        for other in graph.inputs[:index]:
            if other.type == value.type:
                yield Change(reads={value: other})


def known_values(graph: Graph) -> Iterator[Change]:
    """Constants in place of results and inputs: what the reference kernels compute on seeded
    inputs, where they can. One input is left."""
    arrays = _computed(graph)
    for op in reversed(list(graph.ops)):
        if not any(result in graph.outputs for result in op.results):
            known = {r: arrays[r] for r in op.results if r.is_used and r in arrays}
            if known and len(known) == sum(r.is_used for r in op.results):
                yield Change(constants=known)
    if len(graph.inputs) > 1:
        for value in graph.inputs:
            if value in arrays:
                yield Change(constants={value: arrays[value]})


def _computed(graph: Graph) -> Mapping[Value, Array]:
    """What values hold on seeded inputs; nothing where the graph cannot be run."""
    found: dict[Value, Array] = {}

    def note(values: tuple[Value, ...] | list[Value], arrays: list[Array]) -> None:
        for value, array in zip(values, arrays, strict=True):
            if array.size <= MOST_ELEMENTS:
                found[value] = array.copy()

    inputs = seeded_inputs(graph)
    note(graph.inputs, [inputs[name] for name in graph.input_names])
    try:
        Executor(graph).run(inputs, tap=lambda op, results: note(op.results, list(results)))
    except Error:
        return {}
    return found


def absent_operands(graph: Graph) -> Iterator[Change]:
    """Leave optional operands out."""
    for op in graph.ops:
        for index, value in enumerate(op.operands):
            kind = op.operand_specs[min(index, len(op.operand_specs) - 1)].kind
            if value is not None and kind == "optional":
                yield Change(absent={op: frozenset({index})})


def plain_attributes(graph: Graph) -> Iterator[Change]:
    """Attributes at their defaults, else of ones or few digits."""
    for op in graph.ops:
        for name, value in op.attributes.items():
            default = op.attribute_specs[name].default
            for plain in (default, *_plainer(value)):
                if plain != value:
                    yield Change(attributes={op: {name: plain}})


def _plainer(value: object) -> Iterator[object]:
    """Only what is plainer than the value, so that no two changes undo each other."""
    if isinstance(value, float) and value not in FLOATS:
        yield from FLOATS
        if _rounded(value) != value:
            yield _rounded(value)
    elif type(value) is int and value > 1:
        yield 1
    elif (
        isinstance(value, tuple)
        and all(type(v) is int for v in value)
        and max(value, default=1) > 1
    ):
        yield (1,) * len(value)


def _rounded(number: float) -> float:
    return float(f"{number:.1g}")


def plain_weights(graph: Graph) -> Iterator[Change]:
    """Weights of one number, else of small whole ones, else of one digit. Integers stay: they are
    shapes and indices."""
    for constant in graph.constants:
        if not constant.type.dtype.is_float or constant.type.quant is not None:
            continue
        for plain in _plain_arrays(constant):
            yield Change(constants={constant: plain})


def _plain_arrays(constant: Constant) -> Iterator[Array]:
    array = constant.array
    kind = array.dtype
    if array.size == 0 or _is_plain(array):
        return
    yield from (np.full(array.shape, number, kind) for number in FLOATS)
    if array.size > 1:
        counted = np.arange(array.size).reshape(array.shape) % 5 + 1
        yield counted.astype(kind)
    digits = np.vectorize(_rounded, otypes=[np.float64])(array.astype(np.float64))
    if not np.array_equal(digits.astype(kind), array):
        yield digits.astype(kind)


def _is_plain(array: Array) -> bool:
    numbers = array.astype(np.float64)
    uniform = bool(np.all(numbers == numbers.reshape(-1)[0]))
    return uniform and float(numbers.reshape(-1)[0]) in FLOATS


STEPS: Mapping[str, Step] = {
    "outputs": fewer_outputs,
    "bypassed": bypassed,
    CONSTANTS: known_values,
    "inputs": merged_inputs,
    "operands": absent_operands,
    "shapes": smaller_shapes,
    "weights": plain_weights,
    "attributes": plain_attributes,
}
"""By name, in the order in which they are tried."""
