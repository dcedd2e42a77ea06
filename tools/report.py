"""Printing results: tables for people, JSON for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console, JustifyMethod
from rich.table import Table

from edgec.passes import PassReport

_ON_ONE_LINE = 24  # characters: names of this length are not broken, so that they can be found


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> None:
    """A table on standard output; columns of numbers are set right."""
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(_is_number(row[index]) for row in rows)
        short = all(len(str(row[index])) <= _ON_ONE_LINE for row in rows)
        side: JustifyMethod = "right" if numeric else "left"
        table.add_column(column, justify=side, overflow="fold", no_wrap=short)
    for row in rows:
        table.add_row(*map(str, row))
    width = None if sys.stdout.isatty() else 160
    Console(width=width, highlight=False, markup=False, emoji=False).print(table)


def print_json(content: Any) -> None:
    """JSON on standard output; numbers that JSON lacks (infinities, NaN) are null."""
    print(json.dumps(_finite(content), indent=2, default=str))


def _finite(content: Any) -> Any:
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(item) for item in content]
    return content


def megabytes(count: float) -> str:
    return f"{count / 1e6:.2f}"


def pass_rows(reports: Sequence[PassReport]) -> list[list[str]]:
    """Name, milliseconds, ops before and after, and what was applied, for each pass."""
    rows = []
    for report in reports:
        applied = report.statistics.applied.most_common(4)
        shown = ", ".join(f"{count} {rule}" for rule, count in applied)
        before, after = report.before.total(), report.after.total()
        change = f"{before} → {after}" if before != after else str(before)
        rows.append([report.name, f"{1000 * report.seconds:.1f}", change, shown, report.numerics])
    return rows


PASS_COLUMNS = ("pass", "ms", "ops", "rewrites", "numbers")


MOVE_COLUMNS = ("transposed", "perm", "bytes", "made by", "wanted by")


def move_rows(reports: Sequence[PassReport]) -> list[list[str]]:
    """The transposes that the last layout pass left, with the reason for each."""
    last = next((one for one in reversed(reports) if one.name == "layout"), None)
    return [
        [move.value, ",".join(map(str, move.perm)), str(move.bytes), move.made, move.wanted]
        for move in (last.statistics.moves if last else ())
    ]


def print_moves(reports: Sequence[PassReport]) -> None:
    """What ``--layout-report`` prints."""
    if not any(one.name == "layout" for one in reports):
        print("no layout pass ran: add layout{to=nhwc} to the pipeline")
        return
    rows = move_rows(reports)
    if rows:
        print_table(MOVE_COLUMNS, rows)
    print(f"{len(rows)} transposes remain, of {sum(int(row[2]) for row in rows)} bytes")


def reports_json(reports: Sequence[PassReport]) -> list[dict[str, Any]]:
    return [
        {
            "name": report.name,
            "seconds": report.seconds,
            "changed": report.changed,
            "ops_before": report.before.total(),
            "ops_after": report.after.total(),
            "applied": dict(report.statistics.applied),
            "near_misses": [
                {
                    "rule": rule,
                    "reason": reason,
                    "count": count,
                    "example": report.statistics.examples[rule, reason],
                }
                for (rule, reason), count in report.statistics.near_misses.items()
            ],
            "transposes": [asdict(move) for move in report.statistics.moves],
            "numerics": report.numerics,
        }
        for report in reports
    ]


def _is_number(cell: object) -> bool:
    text = str(cell).replace(",", "").replace("%", "").strip()
    return text in ("", "-") or text.replace(".", "", 1).replace("e-", "", 1).isdigit()
