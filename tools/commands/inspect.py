"""edgec inspect"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgec.ir import (
    DeviceProfile,
    Error,
    Graph,
    Kind,
    Value,
    Work,
    canonical_hash,
    dtypes,
    symbols,
    write_atomically,
)
from edgec.kernels import SHARING, Memory, default_shapes, plan_buffers
from edgec.passes import Estimate, MemoryReport, estimate, memory_report
from edgec.tools import provenance, report
from edgec.tools.arguments import add_input_shape, load_model
from edgec.tools.devices import device_names, load_device
from edgec.tools.inspection import estimate_json, memory_json, print_estimate, print_memory
from edgec.tools.memory_picture import memory_svg

NAME = "inspect"
SUMMARY = "ops, parameters, MACs, bytes and peak memory of models, side by side"
EXAMPLES = """\
  edgec inspect model.onnx
  edgec inspect before.onnx after.onnx --input-shape input:1x3x224x224
  edgec inspect model.onnx --memory --svg memory.svg
  edgec inspect model.onnx --device orin-nano --precision i8"""


_ARTIFACTS = (".tflite", ".xml")


@dataclass(frozen=True)
class Summary:
    """The figures of one graph. Symbolic dims count as in ``shapes``; ``open_dims`` says where dims
    come from that only a run tells. Isomorphic graphs share ``canonical_hash``, and those that
    differ in the elements of float constants alone share ``structure_hash``. ``made`` says how an
    artifact was made."""

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
    canonical_hash: str
    structure_hash: str
    made: Mapping[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="+", metavar="MODEL", help=".onnx or .eir; - for stdin")
    add_input_shape(parser)
    parser.add_argument(
        "--memory", action="store_true", help="activation memory over time, and what makes its peak"
    )
    parser.add_argument("--svg", metavar="OUT.SVG", help="draw the memory of one model there")
    parser.add_argument(
        "--sharing",
        choices=SHARING,
        default="all",
        help="how results may share memory with operands (default: all that is legal)",
    )
    parser.add_argument(
        "--device",
        metavar="NAME|FILE.TOML",
        help=f"estimate the latency on {', '.join(device_names())}, or a device of your own",
    )
    parser.add_argument(
        "--precision",
        choices=("f32", "f16", "i16", "i8"),
        help="with --device: count floats as if they were of this type",
    )


def run(chosen: argparse.Namespace) -> int:
    if _print_artifacts(chosen):
        return 0
    if chosen.svg and len(chosen.models) > 1:
        raise Error(Kind.USAGE, "--svg draws one model", instead="one call for each")
    device = load_device(chosen.device) if chosen.device else None
    found = [_inspected(text, chosen, device) for text in chosen.models]
    if chosen.svg:
        one = found[0]
        assert one.memory is not None, "--svg asks for it"
        picture = memory_svg(one.memory, one.summary.name)
        write_atomically(Path(chosen.svg), lambda path: _write(path, picture))
    if chosen.json:
        report.print_json([one.as_json() for one in found])
        return 0
    _print([one.summary for one in found])
    for one in found:
        if one.memory is not None:
            print()
            print_memory(one.memory, one.summary.name)
        if one.cost is not None and device is not None:
            print()
            print_estimate(one.cost, one.summary.name, device.title)
    return 0


def _print_artifacts(chosen: argparse.Namespace) -> bool:
    """What files that are no graphs for edgec say of themselves; False where there is none."""
    paths = [Path(text) for text in chosen.models if Path(text).suffix in _ARTIFACTS]
    if len(paths) != len(chosen.models):
        return False
    said = {path.name: provenance.of_artifact(path) for path in paths}
    if chosen.json:
        report.print_json([{"name": name, "made": made} for name, made in said.items()])
    else:
        for name, made in said.items():
            _print_made(name, made or {"made": "by another program than edgec"})
    return True


@dataclass(frozen=True)
class _Inspected:
    """One model, with what was asked of it besides."""

    summary: Summary
    memory: MemoryReport | None
    cost: Estimate | None

    def as_json(self) -> dict[str, Any]:
        content = dict(vars(self.summary))
        if self.memory is not None:
            content["memory"] = memory_json(self.memory)
        if self.cost is not None:
            content["estimate"] = estimate_json(self.cost)
        return content


def _inspected(text: str, chosen: argparse.Namespace, device: DeviceProfile | None) -> _Inspected:
    graph = load_model(text, chosen.input_shape)
    memory = Memory(chosen.sharing)
    wanted = chosen.memory or chosen.svg
    precision = dtypes.dtype_named(chosen.precision) if chosen.precision else None
    return _Inspected(
        summarize(graph, Path(text).name, memory),
        memory_report(graph, memory) if wanted else None,
        estimate(graph, device, precision) if device else None,
    )


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def summarize(graph: Graph, name: str, memory: Memory | None = None) -> Summary:
    """The figures of a graph; symbolic dims get the sizes that seeded inputs have."""
    shapes = default_shapes(graph)
    bound = graph.clone(dict(shapes)) if shapes else graph
    work = sum((op.work() for op in bound.ops), Work())  # of an If: its larger branch
    plan = plan_buffers(bound, shapes, memory or Memory(), search=True)
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
        canonical_hash=canonical_hash(graph),
        structure_hash=canonical_hash(graph, weights=False),
        made=provenance.of_metadata(graph.metadata),
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
        ["canonical hash", *(s.canonical_hash for s in summaries)],
        ["  without weights", *(s.structure_hash for s in summaries)],
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
        _print_made(summary.name, summary.made)


def _print_made(name: str, made: Mapping[str, str]) -> None:
    """How an artifact was made, in its own words."""
    for key, text in made.items():
        print(f"{name}: {key} = {text}")
