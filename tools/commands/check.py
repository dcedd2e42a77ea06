"""edgec check"""

from __future__ import annotations

import argparse
from collections import Counter

from edgec.ir import Kind
from edgec.lowering import target_named
from edgec.passes import Settings
from edgec.tools import driver, report
from edgec.tools.arguments import add_model, load_model

NAME = "check"
SUMMARY = "say what of a model maps to a target, what does not, and why; writes nothing"
EXAMPLES = """\
  edgec check model.onnx -t onnx"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("-t", "--target", required=True)


def run(chosen: argparse.Namespace) -> int:
    target = target_named(chosen.target)
    graph = load_model(chosen.model, chosen.input_shape)
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
