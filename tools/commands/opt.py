"""edgec opt"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import replace

from edgec.ir import Graph
from edgec.passes import (
    Pass,
    PassManager,
    PassReport,
    PatternPass,
    explain_misses,
    parse_pipeline,
)
from edgec.tools import report
from edgec.tools.arguments import (
    STANDARD,
    add_images,
    add_model,
    add_watching,
    images_of,
    load_model,
    natural,
    save_model,
    settings_of,
)
from edgec.tools.data_sources import data_of
from edgec.tools.progress import compiling_kernels

NAME = "opt"
SUMMARY = "run passes on a model: .onnx and .eir, either way"
EXAMPLES = """\
  edgec opt model.onnx -p O2 -o model.eir --time
  edgec opt model.eir -p 'cleanup,fuse,dce' --print-after=changed --check-numerics
  edgec opt model.onnx -p 'O2,calibrate{method=mse}' --data images/ -o ranges.eir
  cat model.eir | edgec opt - -p canonicalize -o -"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser, "in")
    parser.add_argument("-p", "--pipeline", required=True, help="passes, or a named pipeline")
    parser.add_argument(
        "-o", "--output", metavar="OUT", help=".onnx, .eir, or - for text on standard output"
    )
    parser.add_argument(
        "--near-misses", action="store_true", help="print which rules almost matched, and why not"
    )
    parser.add_argument(
        "--data",
        metavar="DIR|X.NPZ|random",
        help="inputs for passes that run the model (calibrate): pictures, or arrays by input name",
    )
    parser.add_argument(
        "--explain-misses",
        type=natural,
        nargs="?",
        const=3,
        default=0,
        metavar="N",
        help="for each rule, trace where it came furthest without matching (N places, default 3)",
    )
    add_watching(parser)
    add_images(parser)


def run(chosen: argparse.Namespace) -> int:
    graph = load_model(getattr(chosen, "in"), chosen.input_shape)
    passes = parse_pipeline(chosen.pipeline)
    settings = settings_of(chosen, graph)
    if chosen.data:
        images = images_of(chosen, getattr(chosen, "in"))
        settings = replace(settings, data=data_of(chosen.data, graph, images))
    manager = PassManager(passes, settings, output=lambda text: print(text, file=sys.stderr))
    with compiling_kernels() if chosen.data else nullcontext():
        reports = manager.run(graph)
    if chosen.output:
        save_model(graph, chosen.output)
    traces = _traces(graph, passes, chosen.explain_misses)
    with redirect_stdout(sys.stderr) if chosen.output == STANDARD else nullcontext():
        _print(chosen, graph, reports, traces)
    return 0


def _traces(graph: Graph, passes: Sequence[Pass], most: int) -> list[str]:
    """Why the rules of the passes do not match what is left."""
    rules = [rule for one in passes if isinstance(one, PatternPass) for rule in one.patterns()]
    return [str(trace) for trace in explain_misses(graph, rules, most)] if most else []


def _print(
    chosen: argparse.Namespace,
    graph: Graph,
    reports: Sequence[PassReport],
    traces: Sequence[str],
) -> None:
    """What was done; to standard error when the graph itself goes to standard output."""
    if chosen.json:
        report.print_json(
            {"ops": len(graph), "passes": report.reports_json(reports), "misses": traces}
        )
    elif chosen.time or not chosen.output:
        report.print_table(report.PASS_COLUMNS, report.pass_rows(reports))
    if chosen.layout_report and not chosen.json:
        report.print_moves(reports)
    if traces and not chosen.json:
        print("\n\n".join(traces))
    if chosen.near_misses and not chosen.json:
        rows = [
            (count, rule, reason, one.statistics.examples[rule, reason])
            for one in reports
            for (rule, reason), count in one.statistics.near_misses.most_common()
        ]
        report.print_table(("count", "rule", "why not", "first"), rows)
