"""Somebody who never saw the code follows the tutorial, in a fresh environment outside the
repository: a plugin pass, a golden test of it on two targets, a bug that is bisected."""

from __future__ import annotations

import os
import site
import venv
from pathlib import Path

from first.transcripts import play

ROOT = Path(__file__).resolve().parents[2]


def fresh_environment(folder: Path) -> dict[str, str]:
    """A new virtual environment that sees the packages of this one, as if they had been installed
    into it: nothing is downloaded."""
    venv.create(folder, with_pip=False, symlinks=True)
    [packages] = (folder / "lib").glob("python*/site-packages")
    here = next(path for path in site.getsitepackages() if path.endswith("site-packages"))
    (packages / "here.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    commands = {"edgec": "edgec.tools.cli", "pip": "pip", "pytest": "pytest"}
    for name, module in commands.items():
        script = folder / "bin" / name
        script.write_text(f'#!/bin/sh\nexec "{folder}/bin/python" -m {module} "$@"\n')
        script.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": str(folder),
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # which pip reads as: do not isolate
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTEST_ADDOPTS": "-p no:cacheprovider",
        "PYTHONPATH": "",
        "COLUMNS": "200",
    }


def test_the_tutorial_from_zero(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    play(ROOT / "docs" / "tutorial.md", outside, fresh_environment(tmp_path / "env"))
