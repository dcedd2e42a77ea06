"""Every Python block of README and docs/ runs, in order, page by page; so does every command of a
console block, and it prints what the page shows. (The tutorial is followed by ``tests/first/``.)"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from first.transcripts import has_commands, in_this_process, play
from first.tutorial_test import fresh_environment

from edgec.tools.plugins import forgotten

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
ELSEWHERE = ("tutorial.md",)
WHOLE = ("plugins.md",)  # what is installed meanwhile is only seen by new processes
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([\w./-]+\.md)[#)]")
_LEAST_OF_THE_CORE, _MOST_OF_THE_CORE = 200, 300  # lines of code


def blocks(page: Path) -> list[str]:
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda p: p.name)
def test_the_code_of_a_page_runs(
    page: Path, tmp_path: Path, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(digits, tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": f"docs_{page.stem}"}
    with forgotten():
        for block in blocks(page):
            exec(compile(block, str(page), "exec", dont_inherit=True), names)


@pytest.mark.parametrize(
    "page",
    [p for p in PAGES if has_commands(p) and p.name not in ELSEWHERE],
    ids=lambda p: p.name,
)
def test_the_commands_of_a_page_print_what_it_shows(
    page: Path, tmp_path: Path, digits: Path
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    shutil.copy(digits, folder / "model.onnx")
    environment = fresh_environment(tmp_path / "env")
    with forgotten():
        play(page, folder, environment, None if page.name in WHOLE else in_this_process)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    broken = [
        link
        for link in _LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]
    assert not broken


def test_the_core_fits_into_300_lines() -> None:
    lines = [line for block in blocks(DOCS / "core.md") for line in block.splitlines()]
    count = sum(bool(line.strip()) for line in lines)
    assert _LEAST_OF_THE_CORE < count <= _MOST_OF_THE_CORE


def test_the_site_leads_to_every_page_of_its_navigation() -> None:
    named = re.findall(r"([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert len(named) > 10
    assert not [name for name in named if not (DOCS / name).exists()]
