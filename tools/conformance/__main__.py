"""``make conformance``: ONNX's published cases, in both columns; the page docs/conformance.md."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from edgec.ir import write_atomically
from edgec.lowering.onnx import ONNX
from edgec.tools import report
from edgec.tools.conformance.cases import KINDS, Case, cases
from edgec.tools.conformance.page import KIND_COLUMNS, OP_COLUMNS, as_json, kind_rows, op_rows, page
from edgec.tools.conformance.results import Result, run_case, with_operators
from edgec.tools.progress import compiling_kernels, tracked


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m edgec.tools.conformance", description=__doc__)
    parser.add_argument("substring", nargs="?", default="", help="only cases of such names")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only these kinds")
    parser.add_argument("--ops", action="store_true", help="print the table of operators as well")
    parser.add_argument("--no-onnxruntime", action="store_true", help="only our own kernels")
    parser.add_argument("--markdown", type=Path, help="write the page there")
    parser.add_argument("--json", type=Path, help="write every outcome there")
    chosen = parser.parse_args(arguments)
    found = [case for kind in chosen.kind or KINDS for case in cases(kind)]
    found = [case for case in found if chosen.substring in case.name]
    if not found:
        print(f"no case is named like {chosen.substring!r}", file=sys.stderr)
        return 2
    with_onnxruntime = ONNX.runtime.is_installed and not chosen.no_onnxruntime
    with compiling_kernels():
        results = _results(found, with_onnxruntime)
    report.print_table(KIND_COLUMNS, kind_rows(results), title="ONNX's backend test cases")
    if chosen.ops:
        report.print_table(OP_COLUMNS, op_rows(results), title="node cases by operator")
    for result in results:
        for column, outcome in result.failures:
            print(f"{outcome.status}: {result.name}, {column}: {outcome.detail}")
    if chosen.markdown:
        _save(chosen.markdown, page(results))
    if chosen.json:
        _save(chosen.json, json.dumps(as_json(results), indent=1))
    return int(any(result.failures for result in results))


def _results(found: Sequence[Case], with_onnxruntime: bool) -> list[Result]:
    tried = tracked(found, "conformance", len(found))
    return with_operators([run_case(case, with_onnxruntime) for case in tried])


def _save(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, lambda path: _write(path, text))
    print(f"wrote {target}")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
