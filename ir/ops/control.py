"""Ops that run nested graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgec.ir import dtypes
from edgec.ir.builder import Builder
from edgec.ir.contents import contents, known_ints
from edgec.ir.dims import ANY, Dim, dim_max, symbols
from edgec.ir.graph import Graph
from edgec.ir.op import Ints, Op, OpError, Types, Work, attr, operand, variadic
from edgec.ir.ops.activation import Relu
from edgec.ir.ops.common import normalized_axis, require_dim
from edgec.ir.ops.movement import Concat
from edgec.ir.sampling import Sampler
from edgec.ir.types import TensorType
from edgec.ir.value import Value

COUNT = TensorType(dtypes.i64, ())
CONDITION = TensorType(dtypes.boolean, ())


class ControlFlow(Op):
    """Base of the ops that run nested graphs."""

    if TYPE_CHECKING:  # an argument of every op, which only these are given
        regions: tuple[Graph, ...] = attr(kw_only=True)


class If(ControlFlow, name="control.if"):
    """y0, y1, … = results of the first region where ``cond`` (bool) is true, else of the second;
    both take no inputs"""

    cond: Value = operand()

    def infer(self) -> Types:
        then, other = _regions(self, 2)
        if then.inputs or other.inputs:
            raise OpError("branches take no inputs")
        if len(then.outputs) != len(other.outputs):
            raise OpError("branches return different numbers of values")
        pairs = zip(then.outputs, other.outputs, strict=True)
        return [joined(a.type, b.type, "what the branches return") for a, b in pairs]

    def check(self) -> None:
        _require_condition(self.cond)

    def work(self) -> Work:
        return max((work_of(region) for region in self.regions), key=lambda work: work.bytes)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dims = draw.shape(draw.integer(0, 3))
        x, y = draw.value(dtypes.f32, dims), draw.value(dtypes.f32, (*dims, 2))
        then, other = (Builder(name, enclosing=draw.graph) for name in ("then", "else"))
        shorter = other.const(draw.array(dtypes.f32, (*dims, 1)))
        branches = (
            then.output(a=then.add(Relu(x)).result, b=y),
            other.output(a=x, b=other.add(Relu(shorter)).result),
        )
        cond = np.asarray(draw.chance())
        return cls(draw.const(cond) if draw.chance() else draw.given(cond), regions=branches)


class Loop(ControlFlow, name="control.loop"):
    """carried…, scans… = the region's results, run again and again

    The region computes (goes on, carried…, scans…) from (iteration, goes on, carried…); it runs at
    most ``trip`` (i64) times and only while the condition, first ``cond`` (bool), is true. Each
    scan result is stacked along a new first axis (ONNX Loop-11).
    """

    trip: Value | None = operand(default=None)
    cond: Value | None = operand(default=None)
    carried: tuple[Value, ...] = variadic(default=())

    def infer(self) -> Types:
        (body,) = _regions(self, 1)
        count = len(self.carried)
        if len(body.inputs) != count + 2 or len(body.outputs) < count + 1:
            raise OpError(f"the body takes {count + 2} values, found {len(body.inputs)}")
        carried = carried_types(self.carried, body.inputs[2:], body.outputs[1 : count + 1])
        known = _known_outside(self, body)
        scans = [_stacked(value.type, 0, self._trips, known) for value in body.outputs[count + 1 :]]
        return [*carried, *scans]

    @property
    def _trips(self) -> Dim:
        """How often the body runs, ANY when that is not known."""
        (body,) = self.regions
        goes_on = body.outputs[0]
        always = goes_on is body.inputs[1] or known_ints(goes_on) == (1,)
        found = None if self.trip is None else contents(self.trip)
        if found is None or not always or (self.cond is not None and known_ints(self.cond) != (1,)):
            return ANY
        return dim_max(found.reshape(-1)[0], 0)

    def check(self) -> None:
        if self.cond is not None:
            _require_condition(self.cond)
        if self.trip is not None and not self.trip.type.dtype.is_integer:
            raise OpError(f"trip wants an integer, found {self.trip.type}")
        _require_condition(self.regions[0].outputs[0])

    def work(self) -> Work:
        trips = self._trips
        return _times(work_of(self.regions[0]), trips if isinstance(trips, int) else 1)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        dims = draw.shape(draw.integer(1, 3))
        grows = draw.chance()
        x = draw.value(dtypes.f32, dims)
        body = Builder("body", enclosing=draw.graph)
        body.add_input("i", COUNT)
        goes_on = body.add_input("goes_on", CONDITION)
        state = body.add_input("state", x.type.with_dims((ANY, *dims[1:])) if grows else x.type)
        after = body.add(Concat((state, x), axis=0) if grows else Relu(state)).result
        region = body.output(goes_on=goes_on, after=after, scan=x)
        trip = np.asarray(draw.integer(0, 3))
        cond = draw.given(np.asarray(draw.chance(0.8))) if draw.chance() else None
        given = draw.const(trip) if draw.chance() else draw.given(trip)
        return cls(given, cond, (x,), regions=(region,))


class Scan(ControlFlow, name="control.scan"):
    """states…, scans… = the region's results, run once per slice of the scan inputs

    The last ``scan_inputs`` operands are cut along ``input_axes`` (0 when empty; backwards where
    ``input_directions`` is 1), the others are the initial states. The region computes
    (states…, scans…) from (states…, slices…); scan results are stacked along ``output_axes``, in
    front where ``output_directions`` is 1 (ONNX Scan-9).
    """

    values: tuple[Value, ...] = variadic()
    scan_inputs: int = attr()
    input_axes: Ints = attr(default=())
    output_axes: Ints = attr(default=())
    input_directions: Ints = attr(default=())
    output_directions: Ints = attr(default=())

    @property
    def states(self) -> tuple[Value, ...]:
        return self.values[: len(self.values) - self.scan_inputs]

    @property
    def scanned(self) -> tuple[Value, ...]:
        """The operands that are cut into slices."""
        return self.values[len(self.values) - self.scan_inputs :]

    def infer(self) -> Types:
        (body,) = _regions(self, 1)
        count = len(self.states)
        if not 1 <= self.scan_inputs <= len(self.values) or len(body.inputs) != len(self.values):
            raise OpError(f"the body takes {len(self.values)} values, found {len(body.inputs)}")
        if len(body.outputs) < count:
            raise OpError(f"the body returns {count} states at least, found {len(body.outputs)}")
        states = carried_types(self.states, body.inputs[:count], body.outputs[:count])
        outputs = body.outputs[count:]
        axes = self.output_axes or (0,) * len(outputs)
        known, length = _known_outside(self, body), self.length
        pairs = zip(outputs, axes, strict=True)
        return [*states, *(_stacked(value.type, axis, length, known) for value, axis in pairs)]

    @property
    def length(self) -> Dim:
        """How many slices there are."""
        axes = self.input_axes or (0,) * self.scan_inputs
        found = [x.type.dims[axis] for x, axis in zip(self.scanned, axes, strict=True)]
        for dim in found[1:]:
            require_dim(dim, found[0], "the number of slices")
        return next((dim for dim in found if isinstance(dim, int)), found[0])

    def work(self) -> Work:
        return _times(work_of(self.regions[0]), self.length if isinstance(self.length, int) else 1)

    @classmethod
    def samples(cls, draw: Sampler) -> Op:
        rank = draw.integer(1, 3)
        dims = draw.shape(rank)
        axis = draw.integer(0, rank - 1)
        x = draw.value(dtypes.f32, dims)
        inner = (*dims[:axis], *dims[axis + 1 :])
        initial = draw.value(dtypes.f32, (1, *inner))
        body = Builder("body", enclosing=draw.graph)
        state = body.add_input("state", initial.type)
        part = body.add_input("part", x.type.with_dims(inner))
        region = body.output(state=body.add(Relu(state)).result, part=body.add(Relu(part)).result)
        return cls(
            (initial, x), scan_inputs=1, input_axes=(axis,),
            output_axes=(draw.integer(0, len(inner)),), input_directions=(draw.integer(0, 1),),
            output_directions=(draw.integer(0, 1),), regions=(region,),
        )  # fmt: skip


def joined(a: TensorType, b: TensorType, what: str) -> TensorType:
    """The type that values of both have. Raises OpError when element types or ranks differ."""
    if a.dtype is not b.dtype or a.rank != b.rank:
        raise OpError(f"{what} wants one element type and rank, found {a} and {b}")
    dims = zip(a.dims, b.dims, strict=True)
    return a.with_dims(tuple(own if own == other else ANY for own, other in dims))


def carried_types(
    initial: tuple[Value, ...], inside: list[Value] | tuple[Value, ...], after: tuple[Value, ...]
) -> list[TensorType]:
    """Types of the values that a body takes and returns, before and after all its runs."""
    what = "a value that the body takes and returns"
    triples = zip(initial, inside, after, strict=True)
    return [joined(joined(a.type, b.type, what), c.type, what) for a, b, c in triples]


def work_of(region: Graph) -> Work:
    """What one run of a nested graph costs."""
    return sum((op.work() for op in region.ops), Work())


def _times(work: Work, count: int) -> Work:
    return Work(work.macs * count, work.flops * count, work.bytes * count)


def _regions(op: Op, count: int) -> tuple[Graph, ...]:
    if len(op.regions) != count:
        raise OpError(f"{op.op_name} wants {count} regions, found {len(op.regions)}")
    return op.regions


def _require_condition(value: Value) -> None:
    if value.type.dtype.family != "bool" or value.type.elements() != 1:
        raise OpError(f"a condition is one bool, found {value.type}")


def _known_outside(op: Op, body: Graph) -> set[str]:
    """Symbols that stand for the same number in every run of the body."""
    values = [*op.present_operands, *body.free_values]
    graph = body.outer
    while graph is not None:
        values += graph.inputs
        graph = graph.outer
    return {name for value in values for dim in value.type.dims for name in symbols(dim)}


def _stacked(each: TensorType, axis: int, count: Dim, known: set[str]) -> TensorType:
    axis = normalized_axis(axis, each.rank + 1)
    dims = [dim if known.issuperset(symbols(dim)) else ANY for dim in each.dims]
    return each.with_dims((*dims[:axis], count, *dims[axis:]))
