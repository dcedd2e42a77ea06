"""edgec inspect"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgec.ir import Graph, Value, Work, symbols
from edgec.kernels import default_shapes, plan_buffers
from edgec.tools import report
from edgec.tools.arguments import add_input_shape, load_model

NAME = "inspect"
SUMMARY = "ops, parameters, MACs, bytes and peak memory of models, side by side"
EXAMPLES = """\
  edgec inspect model.onnx
  edgec inspect before.onnx after.onnx --input-shape input:1x3x224x224"""


@dataclass(frozen=True)
class Summary:
    """The figures of one graph. Symbolic dims count as in ``shapes``; ``open_dims`` says where dims
    come from that only a run tells."""

    name: str
    inputs: list[str]
    outputs: list[str]
    ops: Counter[str]
    parameters: int
    weight_bytes: int
    macs: int
    peak_bytes: int
    arena_bytes: int
    shapes: Mapping[str, int]
    open_dims: list[str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="+", metavar="MODEL", help=".onnx or .eir; - for stdin")
    add_input_shape(parser)


def run(chosen: argparse.Namespace) -> int:
    summaries = [
        summarize(load_model(text, chosen.input_shape), Path(text).name) for text in chosen.models
    ]
    if chosen.json:
        report.print_json([vars(summary) for summary in summaries])
    else:
        _print(summaries)
    return 0


def summarize(graph: Graph, name: str) -> Summary:
    """The figures of a graph; symbolic dims get the sizes that seeded inputs have."""
    shapes = default_shapes(graph)
    bound = graph.clone(dict(shapes)) if shapes else graph
    work = sum((op.work() for op in bound.walk), Work())
    plan = plan_buffers(bound, shapes)
    constants = {constant.weight: constant for constant in graph.constants}.values()
    floats = [constant for constant in constants if constant.type.dtype.is_float]
    return Summary(
        name=name,
        inputs=[f"{value.hint}: {value.type}" for value in graph.inputs],
        outputs=[
            f"{name}: {value.type}"
            for name, value in zip(graph.output_names, graph.outputs, strict=True)
        ],
        ops=Counter(op.op_name for op in graph.walk),
        parameters=sum(constant.type.elements() for constant in floats),
        weight_bytes=sum(constant.type.nbytes() for constant in constants),
        macs=work.macs,
        peak_bytes=plan.peak_bytes,
        arena_bytes=plan.arena_bytes,
        shapes=shapes,
        open_dims=list(open_dims(graph)),
    )


def open_dims(graph: Graph) -> Iterator[str]:
    """One line per op whose results have dims that do not follow from those of its operands."""
    known: set[str] = set()
    for part in graph.graphs:
        known.update(name for value in part.inputs for name in _symbols(value))
    for op in graph.walk:
        found = {name for result in op.results for name in _symbols(result)} - known
        known |= found
        if found:
            types = ", ".join(str(result.type) for result in op.results)
            source = f", from {', '.join(op.loc)}" if op.loc else ""
            yield f"{', '.join(sorted(found))} of {types} by {op.op_name}{source}"


def _symbols(value: Value) -> Iterator[str]:
    for dim in value.type.dims:
        if not isinstance(dim, int):
            yield from symbols(dim)


def _print(summaries: list[Summary]) -> None:
    columns = ["", *(summary.name for summary in summaries)]
    kinds = Counter[str]()
    for summary in summaries:
        kinds.update(summary.ops)
    rows: list[list[object]] = [
        ["inputs", *("\n".join(s.inputs) for s in summaries)],
        ["outputs", *("\n".join(s.outputs) for s in summaries)],
        ["parameters", *(f"{s.parameters:,}" for s in summaries)],
        ["weights MB", *(report.megabytes(s.weight_bytes) for s in summaries)],
        ["MACs", *(f"{s.macs:,}" for s in summaries)],
        ["peak activations MB", *(report.megabytes(s.peak_bytes) for s in summaries)],
        ["arena MB", *(report.megabytes(s.arena_bytes) for s in summaries)],
        ["ops", *(s.ops.total() for s in summaries)],
    ]
    rows += [[f"  {kind}", *(s.ops[kind] for s in summaries)] for kind, _ in kinds.most_common()]
    assumed = summaries[0].shapes
    report.print_table(columns, rows)
    if assumed:
        print("symbolic dims counted as " + ", ".join(f"{k}={v}" for k, v in assumed.items()))
    for summary in summaries:
        for line in summary.open_dims:
            print(f"{summary.name}: dim known only when it is run: {line}")
