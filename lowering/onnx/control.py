"""ONNX ops that run nested graphs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgec.ir import ANY, Error, Graph, Kind, TensorType, Value, known_ints
from edgec.ir.ops import Concat, If, Loop, Reshape, Scan, Slice
from edgec.ir.ops.common import normalized_axis
from edgec.ir.ops.control import CONDITION, COUNT
from edgec.lowering.onnx.node import READERS, Node, Read, Undecided, Unsupported
from edgec.lowering.onnx.writer import WRITERS, Writer

BRANCHES = ("then_branch", "else_branch")
ALONE = {f"{branch} alone": branch for branch in BRANCHES}  # the other one cannot be computed


@READERS.rule("If")
def read_if(node: Node) -> Read:
    """A branch that is known to be taken is read in place of the node."""
    cond = node.input(0)
    known = known_ints(cond)
    if known is not None and len(known) == 1:
        return node.inline(BRANCHES[0] if known[0] else BRANCHES[1])
    if node.decision in ALONE:
        return node.inline(ALONE[node.decision])
    regions = [_branch(node, branch) for branch in BRANCHES]
    differing = _differing(*regions)
    if differing is not None:
        _agree(node, regions, differing)
    return node.add(If(cond, regions=tuple(regions))).results


def _branch(node: Node, branch: str) -> Graph:
    """One branch. Where its types contradict each other, as those of a branch for another size of
    the inputs do once they are pinned, no run can take it."""
    try:
        return node.body(branch, ())
    except Error as error:
        if error.kind is not Kind.READ:
            raise
        raise Undecided(
            node.outputs[0], tuple(ALONE),
            f"node {node.proto.name!r}: neither branch can be computed with these input shapes",
            "other input shapes",
        ) from error  # fmt: skip


def _differing(then: Graph, other: Graph) -> tuple[TensorType, TensorType] | None:
    """The first pair of results of which no common type can be made."""
    for a, b in zip(then.outputs, other.outputs, strict=False):
        if a.type.rank != b.type.rank or a.type.dtype is not b.type.dtype:
            return a.type, b.type
    return None


def _agree(node: Node, regions: list[Graph], differing: tuple[TensorType, TensorType]) -> None:
    """Give both branches the ranks of the one without which the model cannot run at all. The other
    one's results are reshaped to that, which fails at run time where the original would fail later.
    """
    a, b = differing
    if a.dtype is not b.dtype:
        raise Unsupported(f"its branches return {a} and {b}")
    if node.decision is None:
        raise Undecided(
            node.outputs[0],
            BRANCHES,
            f"node {node.proto.name!r}: its branches return {a} and {b}, and which is computed at "
            "run time",
            "give the input shapes, or the inputs that the condition depends on",
        )
    taken = BRANCHES.index(node.decision)
    wanted = [value.type for value in regions[taken].outputs]
    node.discard(regions[1 - taken])
    regions[1 - taken] = node.body(BRANCHES[1 - taken], (), wanted)


@WRITERS.rule(If)
def write_if(op: If, w: Writer) -> None:
    then, other = (w.body(region) for region in op.regions)
    w.node("If", [op.cond], op.results, then_branch=then, else_branch=other)


@READERS.rule("Loop")
def read_loop(node: Node) -> Read:
    carried = [node.input(index) for index in range(2, len(node.inputs))]
    body = _body(node, (COUNT, CONDITION), carried, 1)
    op = Loop(node.optional(0), node.optional(1), tuple(carried), regions=(body,))
    return node.add(op).results


def _body(
    node: Node,
    before: Sequence[TensorType],
    carried: Sequence[Value],
    skipped: int,
    after: Sequence[TensorType] = (),
) -> Graph:
    """The body, read with a dim for each carried one that it changes, until no more change.

    Args:
        before: types of what the body takes before the carried values.
        skipped: number of results before them.
        after: types of what it takes after them.
    """
    types = [value.type for value in carried]
    while True:
        body = node.body("body", [*before, *types, *after])
        returned = [value.type for value in body.outputs[skipped : skipped + len(types)]]
        if len(returned) != len(types):
            raise Unsupported(f"its body returns {len(body.outputs)} values")
        wider = [_widened(*pair) for pair in zip(types, returned, strict=True)]
        if wider == types:
            return body
        node.discard(body)
        types = wider


def _widened(taken: TensorType, returned: TensorType) -> TensorType:
    if taken.rank != returned.rank or taken.dtype is not returned.dtype:
        raise Unsupported(f"its body takes {taken} and returns {returned} for the next iteration")
    dims = zip(taken.dims, returned.dims, strict=True)
    return taken.with_dims(tuple(own if own in (ANY, new) else ANY for own, new in dims))


@WRITERS.rule(Loop)
def write_loop(op: Loop, w: Writer) -> None:
    w.node("Loop", op.operands, op.results, body=w.body(op.regions[0]))


@READERS.rule("Scan")
def read_scan(node: Node) -> Read:
    if node.opset < 9:
        return _read_batched_scan(node)
    directions = node.ints("scan_input_directions", ())
    return node.add(_scan(node, tuple(node.present()), directions)).results


def _scan(node: Node, values: tuple[Value, ...], directions: Sequence[int]) -> Scan:
    count = node.int("num_scan_inputs")
    if not 1 <= count <= len(values):
        raise Unsupported(f"{count} scan inputs of {len(values)}")
    states, scanned = values[:-count], values[-count:]
    axes = node.ints("scan_input_axes", (0,) * count)
    axes = tuple(normalized_axis(axis, x.type.rank) for axis, x in zip(axes, scanned, strict=True))
    slices = [_without(x.type, axis) for axis, x in zip(axes, scanned, strict=True)]
    body = _body(node, (), states, 0, slices)
    outputs = body.outputs[len(states) :]
    into = node.ints("scan_output_axes", (0,) * len(outputs))
    return Scan(
        values,
        scan_inputs=count,
        input_axes=_unless_zero(axes),
        output_axes=_unless_zero(
            [normalized_axis(a, y.type.rank + 1) for a, y in zip(into, outputs, strict=True)]
        ),
        input_directions=_unless_zero(directions),
        output_directions=_unless_zero(node.ints("scan_output_directions", ())),
        regions=(body,),
    )


def _read_batched_scan(node: Node) -> Read:
    """Before opset 9 every value has a batch axis in front: a scan for each entry of it."""
    if node.optional(0) is not None:
        raise Unsupported("sequences of different lengths", "convert to opset 9 or later")
    values = [node.input(index) for index in range(1, len(node.inputs))]
    batch = values[0].type.dims[0] if values and values[0].type.rank else None
    if not isinstance(batch, int) or batch < 1:
        raise Unsupported("the size of the batch is not known", "fix it with input_shapes")
    directions = node.ints("directions", ())
    results = [
        node.add(_scan(node, tuple(_entry(node, x, i) for x in values), directions)).results
        for i in range(batch)
    ]
    return [_stacked(node, parts) for parts in zip(*results, strict=True)]


def _entry(node: Node, x: Value, index: int) -> Value:
    """x[index]"""
    begin, end = node.const([index], np.int64), node.const([index + 1], np.int64)
    row = x if x.type.dims[0] == 1 else node.add(Slice(x, begin, end, axes=(0,))).result
    return node.add(Reshape(row, to=x.type.dims[1:])).result


def _stacked(node: Node, parts: Sequence[Value]) -> Value:
    rows = tuple(node.add(Reshape(part, to=(1, *part.type.dims))).result for part in parts)
    return rows[0] if len(rows) == 1 else node.add(Concat(rows, axis=0)).result


def _without(type: TensorType, axis: int) -> TensorType:
    return type.with_dims((*type.dims[:axis], *type.dims[axis + 1 :]))


def _unless_zero(values: Sequence[int]) -> tuple[int, ...]:
    return tuple(values) if any(values) else ()


@WRITERS.rule(Scan)
def write_scan(op: Scan, w: Writer) -> None:
    w.node(
        "Scan",
        op.values,
        op.results,
        body=w.body(op.regions[0]),
        num_scan_inputs=op.scan_inputs,
        scan_input_axes=op.input_axes or None,
        scan_output_axes=op.output_axes or None,
        scan_input_directions=op.input_directions or None,
        scan_output_directions=op.output_directions or None,
    )
