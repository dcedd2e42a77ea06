"""New plugin projects: a pass, an op or a target of one's own, tested and ready for pip."""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from edgec.ir import Error, Kind, op_classes
from edgec.lowering import TARGETS
from edgec.passes import PIPELINES, pass_classes

KINDS = ("pass", "op", "target")
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*\Z")
_SUFFIX = ".tmpl"


def write_project(kind: str, name: str, folder: Path) -> list[Path]:
    """Write a plugin project into a new folder; returns its files.

    Raises:
        Error: the name is no name or taken, or the folder exists.
    """
    names = _names(kind, name)
    root = folder / name
    if root.exists():
        raise Error(Kind.USAGE, f"{root} exists already", instead="another name or folder")
    template = files("edgec.tools") / "data" / "templates" / kind
    written = []
    for place, source in _walk(template):
        path = root / place.replace("package", names["package"]).removesuffix(_SUFFIX)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = Template(source.read_text(encoding="utf-8"))
        path.write_text(text.substitute(names), encoding="utf-8")
        written.append(path)
    return sorted(written)


def _names(kind: str, name: str) -> dict[str, str]:
    """The name in the three ways in which it is written."""
    if not _NAME.match(name):
        raise Error(
            Kind.USAGE, f"{name!r} is no name for a {kind}", instead="small letters: my-pass"
        )
    package = name.replace("-", "_")
    taken = {
        "pass": {*pass_classes(), *PIPELINES},
        "op": {op.removeprefix("custom.") for op in op_classes()},
        "target": set(TARGETS),
    }[kind]
    if name in taken:
        raise Error(Kind.USAGE, f"there is a {kind} {name!r} already", instead="another name")
    title = "".join(part.capitalize() for part in package.split("_"))
    return {"name": name, "package": package, "Class": title}


def _walk(folder: Traversable, above: str = "") -> list[tuple[str, Traversable]]:
    """Every template with its place in the project, sorted."""
    found: list[tuple[str, Traversable]] = []
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        place = f"{above}{entry.name}"
        if entry.is_dir():
            found += _walk(entry, f"{place}/")
        elif place.endswith(_SUFFIX):
            found.append((place, entry))
    return found
