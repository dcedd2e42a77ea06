"""The text tests of the passes: each ``.eir`` file beside this one holds cases, separated by
``# ---``.

    # run: -p canonicalize
    # about: what the case shows
    graph(%x: f32[2]) { %y = math.add %x, f32[](0.0)  return y=%y }
    # expect:
    graph graph(%x: f32[2]) {
      return y=%x
    }

``# expect:`` is followed by the brief text of the result. ``# refuses: words`` stands in its place
where no rule may fire and some near miss must say these words. ``# shapes: N=2, H=8`` gives values
to symbols. With EDGEC_BLESS=1 in the environment the expectations are rewritten instead of checked.

Every case is verified, and run before and after on seeded inputs under what its passes promise; an
exact pipeline also on infinities and NaNs.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest

from edgec.ir import Array, Graph, parse_graph, print_graph
from edgec.kernels import EXACT, Executor, compare, seeded_inputs
from edgec.passes import Exact, PassManager, PassReport, Settings, canonicalize, parse_pipeline

HERE = Path(__file__).parent
SEEDS = (0, 1, 2)
BLESS = os.environ.get("EDGEC_BLESS") == "1"
SEPARATOR = "# ---\n"
HEADERS = ("run", "about", "shapes", "refuses")


@dataclass(frozen=True)
class Case:
    """One case of a file: its headers, its graph, and the text expected after ``# expect:``."""

    path: Path
    index: int
    headers: Mapping[str, str]
    graph: str
    expected: str | None

    @property
    def name(self) -> str:
        return f"{self.path.stem}-{self.index}-{self.headers.get('about', '')}".replace(" ", "_")

    @property
    def pipeline(self) -> str:
        return self.headers["run"].removeprefix("-p").strip()

    @property
    def shapes(self) -> dict[str, int]:
        items = filter(None, self.headers.get("shapes", "").split(","))
        pairs = (item.split("=") for item in items)
        return {name.strip(): int(size) for name, size in pairs}


def read_cases(path: Path) -> list[Case]:
    blocks = path.read_text(encoding="utf-8").split(SEPARATOR)
    return [_read_case(path, index, block) for index, block in enumerate(blocks)]


def _read_case(path: Path, index: int, block: str) -> Case:
    before, marker, expected = block.partition("# expect:\n")
    headers: dict[str, str] = {}
    lines: list[str] = []
    for line in before.splitlines():
        key, colon, text = line.removeprefix("# ").partition(":")
        if line.startswith("# ") and colon and key in HEADERS:
            headers[key] = text.strip()
        else:
            lines.append(line)
    return Case(path, index, headers, "\n".join(lines), expected.strip() if marker else None)


def all_cases() -> list[Case]:
    return [case for path in sorted(HERE.glob("*.eir")) for case in read_cases(path)]


def run_case(case: Case, seed: int) -> tuple[Graph, list[PassReport]]:
    """The graph after the case's passes, each of them held to its promise."""
    graph = parse_graph(case.graph)
    settings = Settings(verify_each=True, check_numerics=True, seed=seed, shapes=case.shapes)
    reports = PassManager(parse_pipeline(case.pipeline), settings).run(graph)
    return graph, reports


def bless(case: Case, text: str) -> None:
    blocks = case.path.read_text(encoding="utf-8").split(SEPARATOR)
    kept = blocks[case.index].partition("# expect:\n")[0]
    last = case.index == len(blocks) - 1
    blocks[case.index] = f"{kept}# expect:\n{text}\n" + ("" if last else "\n")
    case.path.write_text(SEPARATOR.join(blocks), encoding="utf-8")


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_text(case: Case) -> None:
    graph, reports = run_case(case, SEEDS[0])
    found = print_graph(graph, brief=True)
    if "refuses" in case.headers:
        assert found == print_graph(parse_graph(case.graph), brief=True), "a rule fired"
        reasons = [reason for r in reports for _, reason in r.statistics.near_misses]
        assert any(case.headers["refuses"] in reason for reason in reasons), reasons
    elif BLESS:
        bless(case, found)
    else:
        assert found == case.expected
    for seed in SEEDS[1:]:
        run_case(case, seed)


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_exact_pipelines_keep_infinities_and_nans(case: Case) -> None:
    if not all(isinstance(one.promise, Exact) for one in parse_pipeline(case.pipeline)):
        pytest.skip("the pipeline rounds differently, so that it may overflow differently")
    before = parse_graph(case.graph)
    after = before.clone()
    PassManager(parse_pipeline(case.pipeline)).run(after)
    inputs = with_specials(seeded_inputs(before, seed=7, shapes=case.shapes))
    with np.errstate(invalid="ignore", over="ignore"):
        expected = Executor(before).run(inputs)
        actual = Executor(after).run(inputs)
    for name, array in expected.items():
        comparison = compare(actual[name], array, EXACT)
        assert comparison, f"{name}: {comparison}"


def with_specials(inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays with some of their floats replaced by infinities and NaN."""
    rng = np.random.default_rng(7)
    found: dict[str, Array] = {}
    for name, array in inputs.items():
        if array.dtype.kind == "f" and array.size:
            array = array.copy()
            places = rng.random(array.shape)
            for special, low in ((np.nan, 0.0), (np.inf, 0.1), (-np.inf, 0.2)):
                array[(places >= low) & (places < low + 0.1)] = special
        found[name] = array
    return found


def test_every_rule_has_a_case_in_which_it_fires() -> None:
    reports = (report for case in all_cases() for report in run_case(case, SEEDS[0])[1])
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
    refused = [case.headers["refuses"] for case in all_cases() if "refuses" in case.headers]
    untested = [
        reason
        for reason in reasons(Path(canonicalize.__file__).parent)
        if not any(given in reason or fnmatch(given, reason) for given in refused)
    ]
    assert not untested
