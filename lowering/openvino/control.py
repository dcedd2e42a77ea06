"""Ops that run nested graphs."""

from __future__ import annotations

from typing import Any

from edgec.ir import Value, dtypes
from edgec.ir.ops import If, Loop, Scan
from edgec.lowering.openvino.table import OPENVINO, Output
from edgec.lowering.openvino.writer import Writer


@OPENVINO.rule(If)
def if_(op: If, w: Writer) -> list[Output]:
    inner = [Writer(outer=w) for _ in op.regions]
    then, other = (writer.model(region) for writer, region in zip(inner, op.regions, strict=True))
    node = w.ops.if_op()  # the constructor with a condition drops one that is computed
    node.set_argument(0, _scalar(op.cond, w))
    node.set_then_body(then)
    node.set_else_body(other)
    for value in {**inner[0].captured, **inner[1].captured}:
        node.set_input(w[value], *(writer.captured.get(value) for writer in inner))
    pairs = zip(then.get_results(), other.get_results(), strict=True)
    return [node.set_output(*pair) for pair in pairs]


@OPENVINO.rule(Loop)
def loop(op: Loop, w: Writer) -> list[Output]:
    """The operator counts to -1 without end, and stacks along an axis that is there already."""
    (body,), count = op.regions, len(op.carried)
    first = count + 1
    inner = Writer(outer=w)
    model = inner.model(body, stacked=dict.fromkeys(range(first, len(body.outputs)), 0))
    trip = w.const(-1, dtypes.i64).output(0) if op.trip is None else _scalar(op.trip, w)
    cond = w.const(True, dtypes.boolean).output(0) if op.cond is None else _scalar(op.cond, w)
    node = w.ops.loop(trip, cond)
    node.set_function(model)
    node.set_special_body_ports([0, 0])
    parameters = model.get_parameters()
    results = [result.output(0) for result in model.get_results()]
    node.set_merged_input(parameters[1], cond, results[0])
    for value, parameter, result in zip(op.carried, parameters[2:], results[1:], strict=False):
        node.set_merged_input(parameter, w[value], result)
    _capture(node, inner, w)
    return [
        *(node.get_iter_value(result, -1) for result in results[1:first]),
        *(node.get_concatenated_slices(result, *_FORWARD, 0) for result in results[first:]),
    ]


@OPENVINO.rule(Scan)
def scan(op: Scan, w: Writer) -> list[Output]:
    (body,), count = op.regions, len(op.states)
    stacks = len(body.outputs) - count
    cut = op.input_axes or (0,) * op.scan_inputs
    stacked = [
        axis % (value.type.rank + 1)
        for axis, value in zip(op.output_axes or (0,) * stacks, body.outputs[count:], strict=True)
    ]
    cut = tuple(axis % x.type.rank for axis, x in zip(cut, op.scanned, strict=True))
    inner = Writer(outer=w)
    model = inner.model(
        body, dict(enumerate(cut, start=count)), dict(enumerate(stacked, start=count))
    )
    node = w.ops.tensor_iterator()
    node.set_function(model)
    parameters = model.get_parameters()
    results = [result.output(0) for result in model.get_results()]
    for value, parameter, result in zip(op.states, parameters, results, strict=False):
        node.set_merged_input(parameter, w[value], result)
    ways = op.input_directions or (0,) * len(cut)
    for value, parameter, axis, back in zip(
        op.scanned, parameters[count : len(op.values)], cut, ways, strict=True
    ):
        node.set_sliced_input(parameter, w[value], *(_BACKWARD if back else _FORWARD), axis)
    _capture(node, inner, w)
    ways = op.output_directions or (0,) * stacks
    return [
        *(node.get_iter_value(result, -1) for result in results[:count]),
        *(
            node.get_concatenated_slices(result, *(_BACKWARD if back else _FORWARD), axis)
            for result, axis, back in zip(results[count:], stacked, ways, strict=True)
        ),
    ]


_FORWARD = (0, 1, 1, -1)  # start, stride, size of a part, end
_BACKWARD = (-1, -1, 1, 0)


def _scalar(value: Value, w: Writer) -> Output:
    return w.ops.reshape(w[value], w.ints([]), False).output(0)


def _capture(node: Any, inner: Writer, w: Writer) -> None:
    """Let the body read the values around it that it wants."""
    for value, parameter in inner.captured.items():
        node.set_invariant_input(parameter, w[value])
