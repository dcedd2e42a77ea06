"""edgec ops"""

from __future__ import annotations

import argparse

from edgec.tools import matrix, report

NAME = "ops"
SUMMARY = "list every op, and what each table (kernels, targets) does with it"
EXAMPLES = """\
  edgec ops
  edgec ops --markdown > docs/ops.md"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--markdown", action="store_true", help="as the page of docs/")


def run(chosen: argparse.Namespace) -> int:
    rows = matrix.rows()
    if chosen.json:
        report.print_json([row.as_json() for row in rows])
    elif chosen.markdown:
        print(matrix.markdown(rows), end="")
    else:
        columns = ("op", "operands", "attributes", *matrix.table_names(), "what it computes")
        report.print_table(columns, [row.cells() for row in rows])
    return 0
