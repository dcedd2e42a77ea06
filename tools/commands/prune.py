"""edgec prune"""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from edgec.ir import Error, Graph, Kind, verify
from edgec.kernels import default_shapes
from edgec.passes import PassManager, Prune, explain_channels, parse_pipeline
from edgec.tools import report
from edgec.tools.arguments import (
    STANDARD,
    add_images,
    add_model,
    add_watching,
    images_of,
    load_model,
    save_model,
    settings_of,
)
from edgec.tools.data_sources import data_of
from edgec.tools.progress import compiling_kernels

NAME = "prune"
SUMMARY = "remove the channels that matter least: a smaller dense model"
EXAMPLES = """\
  edgec prune model.onnx --explain
  edgec prune model.onnx --macs 0.7 --data images/ -o small.onnx
  edgec prune model.onnx --latency 0.6 --device raspberry-pi-5 --data x.npz -o small.onnx
  edgec prune model.onnx --ratio 0.3 --importance l1 -o small.onnx"""

_GOALS = ("macs", "params", "latency", "ratio")
_FURTHER = ("device", "scope", "importance", "round_to", "steps", "samples", "places", "damping")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("-o", "--output", metavar="OUT", help=".onnx, .eir, or - for text")
    parser.add_argument(
        "--explain",
        action="store_true",
        help="print which channels go together and why, and which layers cannot lose any",
    )
    parser.add_argument(
        "--data",
        metavar="DIR|X.NPZ|random",
        help="inputs to weigh channels and to recover on: pictures, or arrays by input name",
    )
    parser.add_argument(
        "-p", "--pipeline", default="O2", help="what runs before it (default: %(default)s)"
    )
    group = parser.add_argument_group("goals and options, as of the pass (edgec passes prune)")
    for name in (*_GOALS, *_FURTHER):
        default = Prune.options()[name]
        spelled = "--" + name.replace("_", "-")
        group.add_argument(spelled, type=type(default), metavar=name[0].upper(), dest=name)
    group.add_argument("--no-recover", action="store_true", help="leave the weights as they are")
    add_watching(parser)
    add_images(parser)


def run(chosen: argparse.Namespace) -> int:
    options = {
        name: getattr(chosen, name)
        for name in (*_GOALS, *_FURTHER)
        if getattr(chosen, name) is not None
    }
    pruning = any(name in options for name in _GOALS)
    if not pruning and not chosen.explain:
        raise Error(
            Kind.USAGE, "nothing says how much to prune", instead="--macs 0.7, or --explain to look"
        )
    one = Prune(**options, recover=not chosen.no_recover) if pruning else None
    graph = load_model(chosen.model, chosen.input_shape)
    settings = settings_of(chosen, graph)
    if chosen.data:
        settings = replace(
            settings, data=data_of(chosen.data, graph, images_of(chosen, chosen.model))
        )
    PassManager(parse_pipeline(chosen.pipeline), settings).run(graph)
    if chosen.explain:
        _explain(graph, as_json=chosen.json)
    if one is None:
        return 0
    before = _figures(graph)
    with compiling_kernels() if chosen.data else nullcontext():
        reports = PassManager([one], settings, output=_to_stderr).run(graph)
    verify(graph)
    if chosen.output:
        save_model(graph, chosen.output)
    _print(chosen, before, _figures(graph))
    if chosen.time and chosen.output != STANDARD:
        report.print_table(report.PASS_COLUMNS, report.pass_rows(reports))
    return 0


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr)


def _explain(graph: Graph, *, as_json: bool) -> None:
    found = explain_channels(graph)
    if as_json:
        report.print_json(found.json())
    else:
        print(
            str(found).strip() or "no layer of this model computes channels that could be removed"
        )


def _figures(graph: Graph) -> dict[str, int]:
    symbols = default_shapes(graph)
    bound = graph.clone(dict(symbols)) if symbols else graph
    return {
        "macs": sum(op.work().macs for op in bound.ops),
        "parameters": sum(constant.type.elements() for constant in graph.constants),
    }


def _print(chosen: argparse.Namespace, before: dict[str, int], after: dict[str, int]) -> None:
    if chosen.json:
        content: dict[str, Any] = {"before": before, "after": after}
        report.print_json(content)
    elif chosen.output != STANDARD:
        rows = [
            (name, f"{before[name]:,}", f"{after[name]:,}", f"{after[name] / before[name]:.1%}")
            for name in before
        ]
        report.print_table(("", "before", "after", "left"), rows)
