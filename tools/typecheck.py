"""mypy --strict over the package.

The repository's folders are mapped into one package by setuptools, which type checkers cannot
follow: so they look at a throw-away tree of links, .tc/edgec/<folder>.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FOLDERS = ("ir", "kernels", "passes", "lowering", "tools")


def make_links(root: Path) -> Path:
    """The tree of links, made anew; returns its root."""
    tree = root / ".tc"
    package = tree / "edgec"
    package.mkdir(parents=True, exist_ok=True)
    sources = {folder: root / folder for folder in FOLDERS}
    sources |= {
        path.name: path for path in (root / "edgec").iterdir() if path.name != "__pycache__"
    }
    for stale in package.iterdir():
        if stale.is_symlink():
            stale.unlink()
    for name, source in sources.items():
        (package / name).symlink_to(source, target_is_directory=source.is_dir())
    return tree


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    tree = make_links(root)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--config-file",
        str(root / "pyproject.toml"),
        "--cache-dir",
        str(root / ".mypy_cache"),
        "-p",
        "edgec",
    ]
    return subprocess.run(command, cwd=tree, env={**os.environ, "MYPYPATH": str(tree)}).returncode


if __name__ == "__main__":
    sys.exit(main())
