"""Every Python block of README and docs/ runs, in order, page by page."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from edgec.passes.base import _REGISTRY

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([\w./-]+\.md)[#)]")


def blocks(page: Path) -> list[str]:
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda p: p.name)
def test_the_code_of_a_page_runs(
    page: Path, tmp_path: Path, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(digits, tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    declared = dict(_REGISTRY)
    names: dict[str, object] = {"__name__": f"docs_{page.stem}"}
    try:
        for block in blocks(page):
            exec(compile(block, str(page), "exec"), names)
    finally:
        _REGISTRY.clear()
        _REGISTRY.update(declared)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    broken = [
        link
        for link in _LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]
    assert not broken
