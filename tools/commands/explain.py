"""edgec explain"""

from __future__ import annotations

import argparse
from importlib.resources import files

from edgec.ir import Code, Error, one_of
from edgec.tools import report

NAME = "explain"
SUMMARY = "say what an error code means, with an example, and what to do"
EXAMPLES = """\
  edgec explain E301
  edgec explain"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("code", nargs="?", help="as in error[E301]; every code when left out")


def run(chosen: argparse.Namespace) -> int:
    if chosen.code is None:
        return _list(chosen.json)
    code = _code_named(chosen.code)
    page = (files("edgec.tools") / "data" / "errors" / f"{code}.md").read_text(encoding="utf-8")
    if chosen.json:
        report.print_json({**_row(code), "page": page})
    else:
        print(page, end="")
    return 0


def _list(as_json: bool) -> int:
    rows = [_row(code) for code in Code]
    if as_json:
        report.print_json(rows)
    else:
        report.print_table(tuple(rows[0]), [tuple(row.values()) for row in rows])
    return 0


def _row(code: Code) -> dict[str, object]:
    return {
        "code": str(code),
        "kind": code.kind.value,
        "exit": code.kind.exit_code,
        "what": code.title,
    }


def _code_named(text: str) -> Code:
    known = {str(code): code for code in Code}
    wanted = text.strip().removeprefix("error").strip("[]:").upper()
    if wanted not in known:
        raise Error(
            Code.NO_NAME,
            f"there is no error {text!r}",
            instead=one_of(wanted, known, "edgec explain lists them all"),
        )
    return known[wanted]
