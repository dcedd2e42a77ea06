"""edgec targets"""

from __future__ import annotations

import argparse

from edgec.lowering import TARGETS, Target
from edgec.passes import PRESETS
from edgec.tools import report

NAME = "targets"
SUMMARY = "list every target, and whether its runtime is installed here"
EXAMPLES = """\
  edgec targets"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(chosen: argparse.Namespace) -> int:
    rows = [
        (t.name, t.suffix, ", ".join(_precisions(t)), t.pipeline, t.runtime.module,
         "yes" if t.runtime.is_installed else f"no: pip install 'edgec[{t.runtime.extra}]'",
         t.summary)
        for t in TARGETS.values()
    ]  # fmt: skip
    columns = ("target", "suffix", "precisions", "pipeline", "runtime", "installed", "what for")
    if chosen.json:
        report.print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        report.print_table(columns, rows)
    return 0


def _precisions(target: Target) -> list[str]:
    """Those that its writer knows, and integers where it has a scheme."""
    integers = [p.name for p in PRESETS.values() if p.takes_scheme and target.scheme]
    return list(dict.fromkeys([*target.precisions, *integers]))
