"""Plugins: installed ones, files, broken ones, and the projects that ``edgec new`` writes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgec.ir import Error, op_classes
from edgec.lowering import TARGETS
from edgec.passes import pass_classes
from edgec.tools import cli, plugins
from edgec.tools.scaffold import KINDS, write_project

PASS = """
from edgec.ir import Graph, Rewriter
from edgec.passes import Pass
from dataclasses import dataclass

@dataclass(frozen=True)
class Nothing(Pass):
    '''Do nothing.'''
    name = "{name}"

    def run(self, graph: Graph, rw: Rewriter) -> None:
        pass
"""


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder on the path, and no plugin after the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    with plugins.forgotten():
        yield
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file and file.startswith(str(tmp_path)):
            del sys.modules[name]


def install(folder: Path, module: str, code: str, group: str = "edgec.passes") -> None:
    """What pip leaves of a package: a module, and its entry points."""
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{module}-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text(f"[{group}]\nthe-{module} = {module}\n")


def test_an_installed_pass_is_listed_with_its_origin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(tmp_path, "brought", PASS.format(name="from-outside"))
    assert cli.main(["passes", "--json"]) == 0
    captured = capsys.readouterr()
    rows = {row["name"]: row for row in json.loads(captured.out)["passes"]}
    assert rows["from-outside"]["origin"] == "brought 1.5"
    assert rows["dce"]["origin"] == "edgec"
    assert captured.err == ""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import no_such_module_at_all", "ModuleNotFoundError: No module named"),
        ("def broken(:", "SyntaxError"),
        ("class Own(Exception): pass\nraise Own('of its own kind')", "Own: of its own kind"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        (PASS.format(name="half") + "\n1 / 0", "ZeroDivisionError"),
        (PASS.format(name="dce"), "TypeError: two passes are named 'dce'"),
    ],
)
def test_a_broken_plugin_is_one_warning(
    tmp_path: Path, code: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    install(tmp_path, "broken", code)
    assert cli.main(["passes"]) == 0
    captured = capsys.readouterr()
    warnings = captured.err.splitlines()
    assert len(warnings) == 1
    assert warnings[0].startswith("warning: plugin 'the-broken' (broken 1.5): ")
    assert words in warnings[0]
    assert "half" not in pass_classes(), "what it declared before it failed is taken back"
    assert cli.main(["passes"]) == 0
    assert capsys.readouterr().err == "", "the warning comes once"


def test_a_file_is_a_plugin_for_one_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "quick.py").write_text(PASS.format(name="quick-try"))
    (tmp_path / "m.eir").write_text("graph g(%x: f32[2]) { %y = math.neg %x return y=%y }")
    arguments = ["opt", "m.eir", "-p", "quick-try", "--load-plugin", "quick.py"]
    assert cli.main(arguments) == 0
    assert "quick-try" in capsys.readouterr().out
    assert plugins.origin_of("passes", "quick-try") == "quick.py"


@pytest.mark.parametrize("code", ["1 / 0", None])
def test_a_file_that_cannot_be_loaded_is_an_error(tmp_path: Path, code: str | None) -> None:
    if code is not None:
        (tmp_path / "bad.py").write_text(code)
    with pytest.raises(Error, match=r"cannot load the plugin bad\.py"):
        plugins.load_file(Path("bad.py"))


# -- edgec new -------------------------------------------------------------------------------------


def test_a_new_pass_is_short_and_its_text_tests_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["new", "pass", "my-pass"]) == 0
    code = Path("my-pass/my_pass.py").read_text()
    assert len([line for line in code.splitlines() if line.strip()]) < 15
    load = ["--load-plugin", "my-pass/my_pass.py"]
    assert cli.main(["test", "my-pass/tests", *load]) == 0
    assert "2 of 2 cases pass" in capsys.readouterr().out


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_project_has_all_that_pip_wants(tmp_path: Path, kind: str) -> None:
    import tomllib

    files = {path.name for path in write_project(kind, "my-thing", tmp_path)}
    assert {"pyproject.toml", "README.md", "my_thing.py"} <= files
    project = tomllib.loads((tmp_path / "my-thing" / "pyproject.toml").read_text())["project"]
    group = {"pass": "edgec.passes", "op": "edgec.ops", "target": "edgec.targets"}[kind]
    assert project["entry-points"] == {group: {"my-thing": "my_thing"}}
    plugins.load_file(tmp_path / "my-thing" / "my_thing.py")
    names = {"pass": pass_classes(), "op": op_classes(), "target": TARGETS}[kind]
    assert {"my-thing", "custom.my_thing"} & set(names)


@pytest.mark.parametrize("kind", ["op", "target"])
def test_the_tests_of_a_new_project_pass(tmp_path: Path, kind: str) -> None:
    write_project(kind, f"tried-{kind}", tmp_path)
    root = tmp_path / f"tried-{kind}"
    plugins.load_file(root / f"tried_{kind}.py")
    [tests] = (root / "tests").glob("*.py")
    arguments = ["-q", "-p", "no:cacheprovider", "--rootdir", str(root), "-c", "/dev/null"]
    assert pytest.main([*arguments, "-k", "0 or written or artifact or refused", str(tests)]) == 0


@pytest.mark.parametrize("name", ["My-Pass", "1st", "a--b", "dce", "O2", ""])
def test_a_name_must_be_free_and_small(tmp_path: Path, name: str) -> None:
    with pytest.raises(Error, match=r"name|already"):
        write_project("pass", name, tmp_path)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(Error, match="exists already"):
        write_project("pass", "mine", tmp_path)


# -- edgec test ------------------------------------------------------------------------------------

CASE = """# run: -p dce
graph g(%x: f32[2]) {
  %a = math.neg %x
  %b = math.abs %x
  return y=%a
}
"""


def test_a_text_is_blessed_and_then_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "case.eir").write_text(CASE)
    assert cli.main(["test", "."]) == 1
    assert "--bless accepts" in capsys.readouterr().out
    assert cli.main(["test", ".", "--bless"]) == 0
    assert cli.main(["test", "."]) == 0
    blessed = (tmp_path / "case.eir").read_text()
    assert "# expect:" in blessed
    assert "math.abs" not in blessed.partition("# expect:")[2]
    (tmp_path / "case.eir").write_text(blessed.replace("math.neg %x : f32", "math.abs %x : f32"))
    capsys.readouterr()
    assert cli.main(["test", "."]) == 1
    shown = capsys.readouterr().out
    assert "-  %a = math.abs %x" in shown
    assert "+  %a = math.neg %x" in shown


def test_a_broken_promise_cannot_be_blessed(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(
        PASS.format(name="wrong").replace(
            "pass\n", "rw.replace_uses(graph.outputs[0], graph.inputs[0])\n"
        )
    )
    (tmp_path / "case.eir").write_text(CASE.replace("dce", "wrong"))
    load = ["--load-plugin", "wrong.py"]
    assert cli.main(["test", ".", "--bless", *load]) == 1
    assert "# expect:" not in (tmp_path / "case.eir").read_text()


def test_an_error_can_be_expected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "case.eir").write_text(CASE.replace("dce", "nonsense"))
    assert cli.main(["test", "."]) == 1
    (tmp_path / "case.eir").write_text("# fails: there is no pass 'nonsense'\n" + CASE.replace(
        "dce", "nonsense"))  # fmt: skip
    assert cli.main(["test", "."]) == 0
    (tmp_path / "case.eir").write_text("# fails: something else\n" + CASE)
    assert cli.main(["test", "."]) == 1
    assert "no error says" in capsys.readouterr().out


def test_other_files_are_no_tests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plain.eir").write_text("graph g(%x: f32[2]) { %y = math.neg %x return y=%y }")
    assert cli.main(["test", "."]) == 2
    assert "no text tests" in capsys.readouterr().err
