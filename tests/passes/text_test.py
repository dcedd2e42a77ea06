"""The text tests of the passes: the cases of each ``.eir`` file beside this one; what a case is and
how it is checked stands in ``tools/texttests.py``, for plugins' tests and ours alike.

With EDGEC_BLESS=1 in the environment the expectations are rewritten instead of checked.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

from edgec.passes import canonicalize
from edgec.tools.texttests import Outcome, bless, check_case, find_files, read_cases

HERE = Path(__file__).parent
BLESS = os.environ.get("EDGEC_BLESS") == "1"
CASES = [case for path in find_files([HERE]) for case in read_cases(path)]


@cache
def outcome(index: int) -> Outcome:
    return check_case(CASES[index])


@pytest.mark.parametrize("index", range(len(CASES)), ids=[case.name for case in CASES])
def test_text(index: int) -> None:
    found = outcome(index)
    if BLESS and not found.ok and found.case.expected is not None:
        bless(found.case, found.found)
    else:
        assert found.ok, "\n".join(found.problems)


def test_every_rule_has_a_case_in_which_it_fires() -> None:
    reports = (report for index in range(len(CASES)) for report in outcome(index).reports)
    applied = {rule for report in reports for rule in report.statistics.applied}
    assert {rule.__name__ for rule in canonicalize.RULES} <= applied


def reasons(folder: Path) -> Iterator[str]:
    """The texts that the checks of a folder of rules return, with * for what is filled in."""
    for path in sorted(folder.glob("*.py")):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef) and function.name == "check":
                for found in ast.walk(function):
                    if isinstance(found, ast.Return) and found.value is not None:
                        yield from texts(found.value)


def texts(node: ast.expr) -> Iterator[str]:
    """The texts that an expression may stand for."""
    if isinstance(node, ast.IfExp):
        yield from texts(node.body)
        yield from texts(node.orelse)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(p.value) if isinstance(p, ast.Constant) else "*" for p in node.values)


def test_every_reason_has_a_case_in_which_it_is_given() -> None:
    refused = [case.headers["refuses"] for case in CASES if "refuses" in case.headers]
    untested = [
        reason
        for reason in reasons(Path(canonicalize.__file__).parent)
        if not any(given in reason or fnmatch(given, reason) for given in refused)
    ]
    assert not untested
