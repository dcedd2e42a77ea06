"""edgec check"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from edgec.ir import Graph, Kind, device_named
from edgec.kernels import default_shapes
from edgec.lowering import Place, Survey, Target, target_named
from edgec.passes import Layout, Settings, estimate, parse_pipeline, preset_named, with_preset
from edgec.tools import driver, report
from edgec.tools.arguments import add_images, add_model, images_of, load_model
from edgec.tools.data_sources import data_of

NAME = "check"
SUMMARY = "say what of a model maps to a target, what does not, and why; writes nothing"
EXAMPLES = """\
  edgec check model.onnx -t onnx
  edgec check model.onnx -t edgetpu
  edgec check model.onnx -t ethos-u --accelerator-config ethos-u65-512"""
COLUMNS = ("layer", "operator", "runs on", "why", "try")
LISTED = 25
VELA_OPTIONS = ("accelerator_config", "system_config", "memory_mode")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("-t", "--target", required=True)
    parser.add_argument(
        "--calibration",
        default="random",
        metavar="DIR|X.NPZ|random",
        help="typical inputs, for targets of integers (default: random, which finds the same "
        "structure)",
    )
    parser.add_argument("--all", action="store_true", help="also list what maps (edgetpu, ethos-u)")
    parser.add_argument("--accelerator-config", help="of the NPU, as in ethos-u55-256 (ethos-u)")
    parser.add_argument("--system-config", help="a system of Vela's configuration (ethos-u)")
    parser.add_argument("--memory-mode", help="a memory mode of Vela's configuration (ethos-u)")
    add_images(parser)


def run(chosen: argparse.Namespace) -> int:
    target = target_named(chosen.target)
    graph = load_model(chosen.model, chosen.input_shape)
    if target.survey is not None:
        return _survey(chosen, target, graph)
    driver.optimize(graph, target.pipeline, Settings())
    target.legalize(graph)
    refused = target.refused(graph)
    ops = Counter(op.op_name for op in graph.walk)
    if chosen.json:
        findings = [{"where": f.where, "message": f.message, "instead": f.instead} for f in refused]
        report.print_json({"target": target.name, "ops": ops, "refused": findings})
    else:
        report.print_table(("op", "count"), ops.most_common())
        for finding in refused:
            print(f"does not map: {finding}")
        print(f"{ops.total() - len(refused)} of {ops.total()} ops map to {target.name}")
    return Kind.UNSUPPORTED.exit_code if refused else 0


def _survey(chosen: argparse.Namespace, target: Target, graph: Graph) -> int:
    """Where each operator would run; ends with 0 only when all of them are accelerated."""
    assert target.survey is not None, "the target says where ops run"
    shapes = default_shapes(graph)
    graph = graph.clone(dict(shapes)) if shapes else graph
    _as_integers(chosen, target, graph)
    given = {name: getattr(chosen, name) for name in VELA_OPTIONS}
    options = {name: value for name, value in given.items() if value is not None}
    found = target.survey(graph, options)
    notes = _notes(chosen, shapes)
    predicted = _predicted(found, graph)
    if chosen.json:
        content = found.as_json()
        content["notes"] += notes
        report.print_json({"target": target.name, **content, **predicted})
    else:
        _print(chosen, target, replace(found, notes=(*found.notes, *notes)), predicted)
    return 0 if found.maps_whole else Kind.UNSUPPORTED.exit_code


def _as_integers(chosen: argparse.Namespace, target: Target, graph: Graph) -> None:
    """The graph as the target would have it, in place, without what only repairs precision."""
    listed = [
        replace(one, target=target.name) if isinstance(one, Layout) else one
        for one in parse_pipeline(target.pipeline)
    ]
    passes = with_preset(listed, preset_named("int8"), target.scheme, target.name)
    data = data_of(chosen.calibration, graph, images_of(chosen, chosen.model))
    driver.optimize(graph, passes, Settings(data=data))
    target.legalize(graph)


def _notes(chosen: argparse.Namespace, shapes: Mapping[str, int]) -> list[str]:
    notes = []
    if shapes:
        named = ", ".join(f"{name} = {size}" for name, size in shapes.items())
        notes.append(f"open dims were taken as {named}; --input-shape says otherwise")
    if chosen.calibration == "random":
        notes.append("integers were chosen from random inputs: the structure holds, accuracy not")
    return notes


def _predicted(found: Survey, graph: Graph) -> dict[str, Any]:
    """The latency of the accelerated part by the device's profile; nothing where there is none."""
    if not found.device or not found.accelerated:
        return {}
    device = device_named(found.device)
    wanted = {place.source for place in found.places if place.is_accelerated}
    costs = estimate(graph, device).ops
    seconds = sum(cost.seconds for op, cost in zip(graph.ops, costs, strict=True) if op in wanted)
    return {"seconds": seconds, "device": device.title}


def _print(
    chosen: argparse.Namespace, target: Target, found: Survey, predicted: Mapping[str, Any]
) -> None:
    shown = [place for place in found.places if chosen.all or not place.is_accelerated]
    listed = shown if chosen.all else _together(shown)
    numbers = list(dict.fromkeys(name for place in listed for name in place.numbers))
    if listed:
        rows = [_row(place, numbers) for place in listed]
        cut = len(rows) if chosen.all else LISTED
        report.print_table((*COLUMNS, *numbers), rows[:cut])
        if len(rows) > cut:
            print(f"… and {len(rows) - cut} layers more; --all lists them")
    for name, value in found.facts.items():
        print(f"{name}: {value}")
    if predicted:
        more = "" if found.maps_whole else ", without what runs on the CPU"
        took = f"{1000 * predicted['seconds']:.3f} ms"
        print(f"predicted: {took} at the peak rates of {predicted['device']}{more}")
    for note in found.notes:
        print(f"note: {note}")
    print(f"{found.accelerated} of {len(found.places)} operators map to {target.name}")


def _together(places: Sequence[Place]) -> list[Place]:
    """One row for the operators of a layer that stay behind for one reason."""
    groups: dict[tuple[str, str], list[Place]] = {}
    for place in places:
        groups.setdefault((place.layer, place.why), []).append(place)
    return [
        replace(group[0], operator=", ".join(dict.fromkeys(place.operator for place in group)))
        for group in groups.values()
    ]


def _row(place: Place, numbers: list[str]) -> tuple[str, ...]:
    extra = (f"{place.numbers[name]:g}" if name in place.numbers else "" for name in numbers)
    return (place.layer, place.operator, place.where, place.why, place.instead, *extra)
