"""The hooks of the pytest plugin. What takes time to import is imported when a test needs it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from edgec.testing.golden import GoldenTest
    from edgec.tools.texttests import Case

MARKER = "edgec_golden"
FIRST_BYTES = 4096  # of an .eir file, in which a text test says how it is run
_LOG = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("edgec", "golden tests of compiled models, text tests of passes")
    group.addoption(
        "--golden-update",
        action="store_true",
        help="record goldens that are missing, accept those that differ, and show how",
    )
    group.addoption(
        "--edgec-bless",
        action="store_true",
        help="write what the passes make as what .eir text tests expect",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_LOG] = []
    config.addinivalue_line(
        "markers",
        f"{MARKER}(model, targets=None, inputs=None, seeds=1, tolerance=None, …): compile the "
        "model for each target and hold it to its golden (see edgec.testing)",
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    log = terminalreporter.config.stash[_LOG]
    if log:
        terminalreporter.section("goldens")
        terminalreporter.write_line("\n".join(log))


# -- goldens ---------------------------------------------------------------------------------------


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per target; those whose runtime is missing are skipped with the reason."""
    if MARKER not in metafunc.fixturenames:
        return
    from edgec.lowering import TARGETS, target_named
    from edgec.testing.golden import Wanted
    from edgec.tools.plugins import load_installed

    load_installed()
    marker = metafunc.definition.get_closest_marker(MARKER)
    if marker is None:
        raise pytest.UsageError(f"{metafunc.definition.nodeid} wants @pytest.mark.{MARKER}(MODEL)")
    wanted = Wanted.of(marker.args, marker.kwargs)
    params = []
    floats = [name for name, target in TARGETS.items() if "fp32" in target.precisions]
    for name in wanted.targets if wanted.targets is not None else floats:
        runtime = target_named(name).runtime
        reason = f"{runtime.module} is not installed: pip install 'edgec[{runtime.extra}]'"
        marks = () if runtime.is_installed else (pytest.mark.skip(reason=reason),)
        params.append(pytest.param((wanted, name), id=name, marks=marks))
    metafunc.parametrize(MARKER, params, indirect=True)


@pytest.fixture
def edgec_golden(request: pytest.FixtureRequest) -> GoldenTest:
    """The model of the marker, compiled for one target, and its golden."""
    from edgec.testing.golden import GoldenTest

    wanted, target = request.param
    node = request.node
    folder = Path(node.path).parent
    name = getattr(node, "originalname", node.name)
    return GoldenTest(
        wanted=wanted,
        target=target,
        folder=folder,
        path=folder / "goldens" / Path(node.path).stem / f"{name}-{target}.json",
        update=request.config.getoption("--golden-update"),
        log=request.config.stash[_LOG],
    )


# -- text tests ------------------------------------------------------------------------------------


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """An .eir file with a ``# run:`` line is a file of tests."""
    if file_path.suffix != ".eir":
        return None
    with file_path.open("rb") as file:
        begins = file.read(FIRST_BYTES)
    if not any(line.startswith(b"# run:") for line in begins.splitlines()):
        return None
    collected: pytest.Collector = TextFile.from_parent(parent, path=file_path)
    return collected


class TextFile(pytest.File):
    """A file of text tests."""

    def collect(self) -> Iterator[pytest.Item]:
        from edgec.tools.plugins import load_installed
        from edgec.tools.texttests import read_cases

        load_installed()
        for case in read_cases(self.path):
            yield TextTest.from_parent(self, name=case.name, case=case)


class TextTest(pytest.Item):
    """One case of a text file."""

    def __init__(self, *, case: Case, **others: Any) -> None:
        super().__init__(**others)
        self.case = case

    def runtest(self) -> None:
        from edgec.tools.texttests import accept, check_case

        outcome = check_case(self.case)
        if outcome.ok:
            return
        if self.config.getoption("--edgec-bless") and accept(outcome):
            self.config.stash[_LOG].append(f"blessed {self.case.path}, case {self.case.index}")
            return
        raise TextTestFailure("\n".join(outcome.problems))

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """The problems, without the stack of whoever ran the case."""
        if isinstance(excinfo.value, TextTestFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name


class TextTestFailure(Exception):
    """What is wrong with a case, in words."""
