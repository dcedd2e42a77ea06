"""edgec opt"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout

from edgec.ir import Graph
from edgec.passes import PassManager, PassReport, parse_pipeline
from edgec.tools import report
from edgec.tools.arguments import (
    STANDARD,
    add_model,
    add_watching,
    load_model,
    save_model,
    settings_of,
)

NAME = "opt"
SUMMARY = "run passes on a model: .onnx and .eir, either way"
EXAMPLES = """\
  edgec opt model.onnx -p O2 -o model.eir --time
  edgec opt model.eir -p 'cleanup,fuse,dce' --print-after=changed --check-numerics
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
    add_watching(parser)


def run(chosen: argparse.Namespace) -> int:
    graph = load_model(getattr(chosen, "in"), chosen.input_shape)
    passes = parse_pipeline(chosen.pipeline)
    manager = PassManager(
        passes, settings_of(chosen, graph), output=lambda text: print(text, file=sys.stderr)
    )
    reports = manager.run(graph)
    if chosen.output:
        save_model(graph, chosen.output)
    with redirect_stdout(sys.stderr) if chosen.output == STANDARD else nullcontext():
        _print(chosen, graph, reports)
    return 0


def _print(chosen: argparse.Namespace, graph: Graph, reports: Sequence[PassReport]) -> None:
    """What was done; to standard error when the graph itself goes to standard output."""
    if chosen.json:
        report.print_json({"ops": len(graph), "passes": report.reports_json(reports)})
    elif chosen.time or not chosen.output:
        report.print_table(report.PASS_COLUMNS, report.pass_rows(reports))
    if chosen.layout_report and not chosen.json:
        report.print_moves(reports)
    if chosen.near_misses and not chosen.json:
        rows = [
            (count, rule, reason, one.statistics.examples[rule, reason])
            for one in reports
            for (rule, reason), count in one.statistics.near_misses.most_common()
        ]
        report.print_table(("count", "rule", "why not", "first"), rows)
