"""edgec new"""

from __future__ import annotations

import argparse
from pathlib import Path

from edgec.tools import report
from edgec.tools.scaffold import KINDS, write_project

NAME = "new"
SUMMARY = "write a small, tested plugin project: a pass, an op or a target of your own"
EXAMPLES = """\
  edgec new pass my-pass
  edgec new target my-device --into ~/src"""
TRY = {
    "pass": "edgec opt model.onnx -p {name} --check-numerics",
    "op": "edgec ops",
    "target": "edgec compile model.onnx -t {name} -o out.py --verify",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("name", metavar="NAME", help="as in my-pass")
    parser.add_argument("--into", default=".", metavar="DIR", help="where the folder NAME appears")


def run(chosen: argparse.Namespace) -> int:
    written = write_project(chosen.kind, chosen.name, Path(chosen.into))
    if chosen.json:
        report.print_json([str(path) for path in written])
        return 0
    for path in written:
        print(f"wrote {path}")
    folder = Path(chosen.into) / chosen.name
    tests = "edgec test tests/" if chosen.kind == "pass" else "pytest"
    print(f"next: cd {folder} && pip install -e . && {tests}")
    print(f"then: {TRY[chosen.kind].format(name=chosen.name)}")
    return 0
