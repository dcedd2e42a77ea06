"""Text tests of passes: ``.eir`` files that hold a command, a graph, and what it must become.

    # run: -p canonicalize
    # about: what the case shows
    graph(%x: f32[2]) { %y = math.add %x, f32[](0.0)  return y=%y }
    # expect:
    graph graph(%x: f32[2]) {
      return y=%x
    }

Cases of one file are separated by ``# ---``. ``# run:`` may also be written as the whole command,
``edgec opt -p canonicalize``. ``# expect:`` is followed by the brief text of the result; in its
place ``# refuses: words`` says that no rule may fire and that some near miss says these words, and
``# fails: words`` that the command ends with an error that does. ``# shapes: N=2, H=8`` gives
values to symbols.

Every case is verified, and run before and after on seeded inputs under what its passes promise; an
exact pipeline also on infinities and NaNs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgec.ir import Array, Code, Error, Graph, parse_graph, print_graph
from edgec.kernels import EXACT, Executor, compare, seeded_inputs
from edgec.passes import Exact, PassManager, PassReport, Settings, parse_pipeline

SUFFIX = ".eir"
SEPARATOR = "# ---\n"
EXPECT = "# expect:\n"
HEADERS = ("run", "about", "shapes", "refuses", "fails")
SEEDS = (0, 1, 2)
_COMMAND = re.compile(r"(?:edgec\s+opt\s+)?-p\s+(?P<pipeline>'[^']*'|\"[^\"]*\"|\S+)\s*$")


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
        """The passes. Raises Error when ``# run:`` does not read."""
        found = _COMMAND.match(self.headers.get("run", ""))
        if found is None:
            raise Error(
                Code.ARGUMENTS,
                f"case {self.index} of {self.path} has no command that reads",
                instead="# run: -p PASSES",
            )
        return found["pipeline"].strip("'\"")

    @property
    def shapes(self) -> dict[str, int]:
        items = filter(None, self.headers.get("shapes", "").split(","))
        pairs = (item.split("=") for item in items)
        return {name.strip(): int(size) for name, size in pairs}


@dataclass(frozen=True)
class Outcome:
    """What came of a case: ``problems`` in words (none when it passed), the text that the passes
    made, and their reports."""

    case: Case
    problems: tuple[str, ...]
    found: str
    reports: tuple[PassReport, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems


def is_text_test(path: Path) -> bool:
    """True for a file with a ``# run:`` line; other .eir files are just graphs."""
    return path.suffix == SUFFIX and any(
        line.startswith("# run:") for line in path.read_text(encoding="utf-8").splitlines()
    )


def find_files(places: Iterable[Path]) -> list[Path]:
    """The text tests among files and in folders, sorted. Raises Error when a place is missing."""
    found: dict[Path, None] = {}
    for place in places:
        if not place.exists():
            raise Error(Code.NO_FILE, f"there is no {place}")
        files = sorted(place.rglob(f"*{SUFFIX}")) if place.is_dir() else [place]
        found.update((file, None) for file in files if is_text_test(file))
    return list(found)


def read_cases(path: Path) -> list[Case]:
    """Every case of a file."""
    blocks = path.read_text(encoding="utf-8").split(SEPARATOR)
    return [_read_case(path, index, block) for index, block in enumerate(blocks)]


def _read_case(path: Path, index: int, block: str) -> Case:
    before, marker, expected = block.partition(EXPECT)
    headers: dict[str, str] = {}
    lines: list[str] = []
    for line in before.splitlines():
        key, colon, text = line.removeprefix("# ").partition(":")
        if line.startswith("# ") and colon and key in HEADERS:
            headers[key] = text.strip()
        else:
            lines.append(line)
    return Case(path, index, headers, "\n".join(lines), expected.strip() if marker else None)


def bless(case: Case, text: str) -> None:
    """Write what a case came to into its file, as what is expected from now on."""
    blocks = case.path.read_text(encoding="utf-8").split(SEPARATOR)
    kept = blocks[case.index].partition(EXPECT)[0].rstrip("\n")
    last = case.index == len(blocks) - 1
    blocks[case.index] = f"{kept}\n{EXPECT}{text}\n" + ("" if last else "\n")
    case.path.write_text(SEPARATOR.join(blocks), encoding="utf-8")


def accept(outcome: Outcome) -> bool:
    """Bless a text that differs, never a broken promise, a refusal or an error; False when the case
    fails all the same."""
    case = outcome.case
    if outcome.ok or not outcome.found or {"refuses", "fails"} & set(case.headers):
        return False
    bless(case, outcome.found)
    [again] = [check_case(one) for one in read_cases(case.path) if one.index == case.index]
    return again.ok


def run_case(case: Case, seed: int = SEEDS[0]) -> tuple[Graph, list[PassReport]]:
    """The graph after the case's passes, each of them held to its promise."""
    graph = parse_graph(case.graph)
    settings = Settings(verify_each=True, check_numerics=True, seed=seed, shapes=case.shapes)
    reports = PassManager(parse_pipeline(case.pipeline), settings).run(graph)
    return graph, reports


def check_case(case: Case) -> Outcome:
    """Run a case on all seeds, and say what is not as it should be."""
    try:
        graph, reports = run_case(case)
        found = print_graph(graph, brief=True)
        problems = list(_problems(case, found, reports))
        for seed in SEEDS[1:]:
            run_case(case, seed)
        problems += _special_problems(case)
    except Error as error:
        words = case.headers.get("fails")
        fits = words is not None and words in str(error)
        return Outcome(case, () if fits else (str(error),), "")
    if "fails" in case.headers:
        problems.append(f"no error says {case.headers['fails']!r}")
    return Outcome(case, tuple(problems), found, tuple(reports))


def _problems(case: Case, found: str, reports: list[PassReport]) -> Iterator[str]:
    if "refuses" in case.headers:
        if found != print_graph(parse_graph(case.graph), brief=True):
            yield f"a rule fired:\n{found}"
        reasons = [reason for r in reports for _, reason in r.statistics.near_misses]
        if not any(case.headers["refuses"] in reason for reason in reasons):
            yield f"no near miss says {case.headers['refuses']!r}; there are {reasons}"
    elif case.expected is None and "fails" not in case.headers:
        yield "nothing is expected yet: --bless accepts what the passes make"
    elif case.expected is not None and found != case.expected:
        yield difference(case.expected, found)


def difference(expected: str, found: str) -> str:
    """A unified diff of two texts."""
    import difflib

    lines = difflib.unified_diff(
        expected.splitlines(), found.splitlines(), "expected", "found", lineterm=""
    )
    return "\n".join(lines)


def _special_problems(case: Case) -> Iterator[str]:
    """What an exact pipeline does to infinities and NaNs; others may overflow differently."""
    passes = parse_pipeline(case.pipeline)
    if not all(isinstance(one.promise, Exact) for one in passes):
        return
    before = parse_graph(case.graph)
    after = before.clone()
    PassManager(passes).run(after)
    inputs = _with_specials(seeded_inputs(before, seed=7, shapes=case.shapes))
    with np.errstate(invalid="ignore", over="ignore"):
        expected = Executor(before).run(inputs)
        actual = Executor(after).run(inputs)
    for name, array in expected.items():
        comparison = compare(actual[name], array, EXACT)
        if not comparison:
            yield f"on infinities and NaNs, output {name!r}: {comparison}"


def _with_specials(inputs: Mapping[str, Array]) -> dict[str, Array]:
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
