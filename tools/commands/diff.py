"""edgec diff"""

from __future__ import annotations

import argparse

from edgec.ir import Kind
from edgec.tools import report
from edgec.tools.arguments import add_input_shape, load_model
from edgec.tools.diff import diff_graphs

NAME = "diff"
SUMMARY = "say how two graphs differ: what fused, moved, changed type, layout, scale or weights"
EXAMPLES = """\
  edgec diff model.onnx out.onnx
  edgec diff before.eir after.eir --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", metavar="A", help=".onnx or .eir; - for standard input")
    parser.add_argument("b", metavar="B", help=".onnx or .eir")
    add_input_shape(parser)


def run(chosen: argparse.Namespace) -> int:
    found = diff_graphs(
        load_model(chosen.a, chosen.input_shape), load_model(chosen.b, chosen.input_shape)
    )
    if chosen.json:
        report.print_json({"same": found.same, "changes": [vars(c) for c in found.changes]})
    else:
        print(found)
    return Kind.MISMATCH.exit_code if found else 0
