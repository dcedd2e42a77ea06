"""WHILE: a body that runs again and again on values that it carries along.

What a round stacks goes into a tensor that holds all rounds where their number has a bound
(DYNAMIC_UPDATE_SLICE), and else onto the end of one that grows (CONCATENATION). The number of the
round comes first among what is carried; what the body reads of the surrounding graph comes last,
and passes through unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgec.ir import ANY, Constant, Dim, TensorType, Value, dtypes
from edgec.ir.ops import Loop, Scan
from edgec.lowering.tflite.dims import element, vector
from edgec.lowering.tflite.legalize import binary, compared
from edgec.lowering.tflite.shapes import joined, reshaped
from edgec.lowering.tflite.table import TFLITE
from edgec.lowering.tflite.tensors import Operator, Tensor
from edgec.lowering.tflite.writer import Writer, prune

NUMBER = TensorType(dtypes.i64, ())  # of a round, from 0
MOST_STACKED = 1 << 26  # elements of a tensor that holds all rounds: a larger one grows with them


@dataclass(frozen=True)
class Carried:
    """A value from round to round: as it is before the first, and its type in all of them."""

    initial: Tensor
    type: TensorType


@dataclass(frozen=True)
class Stack:
    """What every round puts along a new axis.

    Attributes:
        each: the type of one round's part.
        rounds: how many there are at most; None where no number is known.
        backwards: the last round's part comes first.
    """

    each: TensorType
    axis: int
    rounds: int | None
    backwards: bool = False

    @property
    def holds_all(self) -> bool:
        """True when its final size is known before the first round."""
        dims = self.each.static_dims
        if self.rounds is None or dims is None:
            return False
        return self.rounds * max(int(np.prod(dims)), 1) <= MOST_STACKED

    @property
    def type(self) -> TensorType:
        """Of the tensor that is carried."""
        size: Dim = self.rounds if self.holds_all and self.rounds is not None else ANY
        return self.each.with_dims(self._with(size))

    def _with(self, size: Dim) -> tuple[Dim, ...]:
        dims = self.each.dims
        return (*dims[: self.axis], size, *dims[self.axis :])

    def empty(self, sources: Sequence[Tensor], w: Writer) -> Carried:
        """The tensor before the first round."""
        size = self.type.dims[self.axis] if self.holds_all else 0
        shape = vector(self._with(size), sources, w)
        dtype = w.stored(self.each.dtype)
        zero = w.const(0, dtype)
        return Carried(w.op("FILL", shape, zero, dims=self.type.dims, dtype=dtype), self.type)

    def put(self, whole: Tensor, part: Tensor, number: Tensor, w: Writer) -> Tensor:
        """The tensor after one round."""
        part = reshaped(part, self._with(1), w)
        if not self.holds_all:
            order = (part, whole) if self.backwards else (whole, part)
            return w.op("CONCATENATION", *order, dims=self.type.dims, axis=self.axis)
        at = w.cast(number, dtypes.i32)
        if self.backwards:
            assert self.rounds is not None
            at = binary("SUB", w.const(self.rounds - 1, dtypes.i32), at, w)
        places = _placed(at, self.axis, whole.rank, 0, w)
        return w.op("DYNAMIC_UPDATE_SLICE", whole, part, places)


def _placed(number: Tensor, axis: int, rank: int, others: int, w: Writer) -> Tensor:
    """A vector with the number at one axis and the same constant at all others."""
    parts = [
        w.ints([others] * axis),
        reshaped(number, (1,), w),
        w.ints([others] * (rank - axis - 1)),
    ]
    parts = [part for part in parts if part.dims != (0,)]
    return joined(parts, 0, w)


Body = Callable[[Writer, Tensor, list[Tensor]], Sequence[Tensor]]
Test = Callable[[Writer, Tensor, list[Tensor]], Tensor]


def repeated(
    carried: Sequence[Carried], body: Body, test: Test, w: Writer, shared: Sequence[Tensor] = ()
) -> list[Tensor]:
    """How many rounds ran (i64), and what is carried after the last.

    ``body`` writes one round: from its number, what is carried and what is ``shared`` by all rounds
    to what is carried on. ``test`` tells, of the same, whether there is another round.
    """
    first = w.const(0, dtypes.i64)
    everything = [Carried(first, NUMBER), *carried]
    count = len(everything)
    everything += [Carried(x, TensorType(x.dtype, x.dims)) for x in shared]
    inner, condition = w.fork("body"), w.fork("condition")
    number, *inside = [inner.input(each.type) for each in everything]
    after = body(inner, number, inside)
    if w.findings:
        return [Tensor(w.stored(each.type.dtype), each.type.dims) for each in everything[:count]]
    following = inner.op("ADD", number, inner.const(1, dtypes.i64))
    if any(each.type.static_dims is None for each in carried):
        # LiteRT lets a tensor start empty only where a shape in the body is computed, as that of
        # this copy seems to be: a constant without elements is not stored.
        following = inner.copy(following)
    for tensor in (following, *after):
        inner.output(tensor)
    given = [condition.input(each.type) for each in everything]
    condition.output(reshaped(test(condition, given[0], given[1:]), (), condition))
    read = list(dict.fromkeys([*inner.captured, *condition.captured]))
    for each in (inner, condition):
        each.subgraph.inputs[len(everything) :] = [each.taken(value) for value in read]
    for tensor in inner.subgraph.inputs[count:]:
        tensor.readers += 1
        inner.subgraph.outputs.append(tensor)
    operands = [*(each.initial for each in everything), *(w[value] for value in read)]
    results = [Tensor(x.dtype, x.dims, quant=x.quant) for x in inner.subgraph.inputs]
    for each in (inner, condition):
        prune(each.subgraph)
    operator = Operator("WHILE", [*operands], results, {}, 1)
    operator.subgraphs = {
        "cond_subgraph_index": condition.subgraph, "body_subgraph_index": inner.subgraph
    }  # fmt: skip
    w.place(operator)
    return results[:count]


@TFLITE.rule(Loop)
def loop(op: Loop, w: Writer) -> list[Tensor]:
    """Carries on whether to go on, then the model's values, then what is stacked."""
    [region] = op.regions
    count = len(op.carried)
    most = _most_rounds(op, count)
    stacks = [Stack(value.type, 0, most) for value in region.outputs[count + 1 :]]
    sources = [w[value] for value in op.present_operands]
    first = w.const(True) if op.cond is None else reshaped(w[op.cond], (), w)
    goes_on = region.inputs[1].type
    carried = [
        Carried(reshaped(first, goes_on.dims, w), goes_on),
        *(Carried(w[value], inside.type)
          for value, inside in zip(op.carried, region.inputs[2:], strict=True)),
        *(stack.empty(sources, w) for stack in stacks),
    ]  # fmt: skip

    def body(inner: Writer, number: Tensor, inside: list[Tensor]) -> list[Tensor]:
        for value, tensor in zip(region.inputs, [number, *inside[: count + 1]], strict=True):
            inner.hold(value, reshaped(tensor, value.type.dims, inner))
        inner.write_ops(region)
        if w.findings:
            return []
        after = [inner[value] for value in region.outputs]
        after[0] = reshaped(after[0], goes_on.dims, inner)
        parts = zip(stacks, inside[count + 1 :], after[count + 1 :], strict=True)
        wholes = [stack.put(whole, part, number, inner) for stack, whole, part in parts]
        return [*after[: count + 1], *wholes]

    def test(condition: Writer, number: Tensor, inside: list[Tensor]) -> Tensor:
        on = reshaped(inside[0], (), condition)
        if op.trip is None:
            return on
        limit = condition.cast(reshaped(condition[op.trip], (), condition), dtypes.i64)
        left = compared("LESS", number, limit, condition)
        return binary("LOGICAL_AND", left, on, condition)

    ran, _, *found = repeated(carried, body, test, w)
    wholes = zip(stacks, found[count:], op.results[count:], strict=True)
    return [*found[:count], *(_filled(s, t, ran, value, w) for s, t, value in wholes)]


def _most_rounds(op: Loop, count: int) -> int | None:
    steps = op.results[count].type.dims[0] if len(op.results) > count else None
    if isinstance(steps, int):
        return max(steps, 1)  # DYNAMIC_UPDATE_SLICE wants room for the part of one round
    return max(int(op.trip.array.reshape(())), 1) if isinstance(op.trip, Constant) else None


def _filled(stack: Stack, whole: Tensor, ran: Tensor, value: Value, w: Writer) -> Tensor:
    """The part of a stack that the rounds filled: all of it where their number was known."""
    if not stack.holds_all or whole.dims == value.type.dims:
        return whole
    sizes = _placed(w.cast(ran, dtypes.i32), stack.axis, whole.rank, -1, w)
    return w.op("SLICE", whole, w.ints([0] * whole.rank), sizes, dims=value.type.dims)


@TFLITE.rule(Scan)
def scan(op: Scan, w: Writer) -> list[Tensor]:
    """Carries the model's states, then what is stacked; the slices are gathered in the body."""
    [region] = op.regions
    count = len(op.states)
    length = op.length
    outputs = region.outputs[count:]
    axes = op.output_axes or (0,) * len(outputs)
    backwards = op.output_directions or (0,) * len(outputs)
    most = max(length, 1) if isinstance(length, int) else None
    stacks = [
        Stack(value.type, axis % (value.type.rank + 1), most, bool(back))
        for value, axis, back in zip(outputs, axes, backwards, strict=True)
    ]
    sources = [w[value] for value in op.values]
    states = zip(op.states, region.inputs[:count], strict=True)
    carried = [
        *(Carried(w[value], inside.type) for value, inside in states),
        *(stack.empty(sources, w) for stack in stacks),
    ]

    def rounds(inner: Writer) -> Tensor:
        found = element(length, [inner[value] for value in op.scanned], inner)
        return inner.cast(reshaped(found, (), inner), dtypes.i64)

    def body(inner: Writer, number: Tensor, inside: list[Tensor]) -> list[Tensor]:
        for value, tensor in zip(region.inputs[:count], inside[:count], strict=True):
            inner.hold(value, tensor)
        for index, value in enumerate(region.inputs[count:]):
            inner.hold(value, part(inner, index, value.type, number))
        inner.write_ops(region)
        if w.findings:
            return []
        after = [inner[value] for value in region.outputs]
        parts = zip(stacks, inside[count:], after[count:], strict=True)
        return [*after[:count], *(s.put(whole, part, number, inner) for s, whole, part in parts)]

    def part(inner: Writer, index: int, type: TensorType, number: Tensor) -> Tensor:
        if op.input_directions and op.input_directions[index]:
            last = binary("SUB", rounds(inner), inner.const(1, dtypes.i64), inner)
            number = binary("SUB", last, number, inner)
        axis = op.input_axes[index] if op.input_axes else 0
        x = inner[op.scanned[index]]
        return inner.op("GATHER", x, number, dims=type.dims, axis=axis % x.rank)

    def test(condition: Writer, number: Tensor, inside: list[Tensor]) -> Tensor:
        return compared("LESS", number, rounds(condition), condition)

    ran, *found = repeated(carried, body, test, w)
    wholes = zip(stacks, found[count:], op.results[count:], strict=True)
    return [*found[:count], *(_filled(s, t, ran, value, w) for s, t, value in wholes)]
