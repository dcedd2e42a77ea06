"""edgec test"""

from __future__ import annotations

import argparse
from pathlib import Path

from edgec.ir import Error, Kind
from edgec.tools import report
from edgec.tools.progress import compiling_kernels
from edgec.tools.texttests import Outcome, accept, check_case, find_files, read_cases

NAME = "test"
SUMMARY = "run text tests of passes (.eir files with a command, a graph, and what it must become)"
EXAMPLES = """\
  edgec test tests/
  edgec test tests/my_pass.eir --bless"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("places", nargs="+", metavar="DIR", help="folders, or .eir files")
    parser.add_argument(
        "--bless", action="store_true", help="write what the passes make as what is expected"
    )


def run(chosen: argparse.Namespace) -> int:
    files = find_files(map(Path, chosen.places))
    if not files:
        raise Error(
            Kind.USAGE,
            f"no text tests in {', '.join(chosen.places)}",
            instead="an .eir file that begins with '# run: -p PASSES'",
        )
    with compiling_kernels():
        outcomes = [check_case(case) for path in files for case in read_cases(path)]
    blessed = [o for o in outcomes if chosen.bless and accept(o)]
    failed = [o for o in outcomes if not o.ok and o not in blessed]
    if chosen.json:
        report.print_json(
            [{"file": str(o.case.path), "case": o.case.index, "about": o.case.headers.get("about"),
              "ok": o.ok, "blessed": o in blessed, "problems": o.problems} for o in outcomes]
        )  # fmt: skip
    else:
        _print(outcomes, blessed, failed)
    return Kind.PASS.exit_code if failed else 0


def _print(outcomes: list[Outcome], blessed: list[Outcome], failed: list[Outcome]) -> None:
    for outcome in blessed:
        print(f"blessed {_place(outcome)}")
    for outcome in failed:
        print(f"FAILED {_place(outcome)}")
        for problem in outcome.problems:
            print("\n".join(f"    {line}" for line in problem.splitlines()))
    passed = len(outcomes) - len(failed)
    print(f"{passed} of {len(outcomes)} cases pass" + (f", {len(failed)} fail" if failed else ""))


def _place(outcome: Outcome) -> str:
    about = outcome.case.headers.get("about", "")
    return f"{outcome.case.path}, case {outcome.case.index}" + (f": {about}" if about else "")
