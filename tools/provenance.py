"""How an artifact was made: written into it, read back from it, and enough to make it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary
from xml.etree import ElementTree

from edgec.ir import Code, Error, Graph
from edgec.lowering.onnx import read_onnx
from edgec.lowering.tflite import said_of

PREFIX = "edgec."
LIBRARIES = ("numpy", "onnx")
"""Whose versions numbers and files depend on, besides edgec's own."""

Shapes = Mapping[str, Sequence[object]]


@dataclass(frozen=True)
class _Source:
    """Where a graph was read from, or the sha256 of what it was read from; and how."""

    where: Path | str
    shapes: Shapes


_sources: WeakKeyDictionary[Graph, _Source] = WeakKeyDictionary()
_preprocessing: WeakKeyDictionary[Graph, Sequence[str]] = WeakKeyDictionary()


def remember(graph: Graph, source: Path | bytes, shapes: Shapes) -> None:
    """Note where a graph was read from, and which input shapes were pinned; a file is hashed when
    an artifact is made of it."""
    where = source if isinstance(source, Path) else hashlib.sha256(source).hexdigest()
    _sources[graph] = _Source(where, dict(shapes))


def inherit(graph: Graph, origin: Graph, preprocessing: Sequence[str]) -> None:
    """Note that a graph is another one with such preprocessing in front."""
    _preprocessing[graph] = preprocessing
    if origin in _sources:
        _sources[graph] = _sources[origin]


def stamp(
    graph: Graph,
    origin: Graph,
    *,
    target: str,
    pipeline: str,
    precision: str,
    calibration: object,
    options: Mapping[str, Any],
) -> None:
    """Write into a graph's metadata how its artifact is made of ``origin``."""
    said = {
        "version": version("edgec"),
        "versions": _json({name: version(name) for name in LIBRARIES}),
        "target": target,
        "pipeline": pipeline,
        "precision": precision,
        "options": _json({name: str(value) for name, value in options.items()}),
        **_model(origin),
    }
    if origin in _preprocessing:
        said["preprocess"] = json.dumps(_preprocessing[origin])
    if isinstance(calibration, str):
        said["calibration"] = calibration
    for key in [key for key in graph.metadata if key.startswith(PREFIX)]:
        del graph.metadata[key]  # of an earlier compilation, when the model is an artifact itself
    graph.metadata |= {f"{PREFIX}{key}": text for key, text in sorted(said.items())}


def of_metadata(metadata: Mapping[str, Any]) -> dict[str, str]:
    """What metadata say of how a graph was made, by name without the prefix."""
    found = {key: str(text) for key, text in metadata.items() if key.startswith(PREFIX)}
    return {key.removeprefix(PREFIX): found[key] for key in sorted(found)}


def of_artifact(path: Path) -> dict[str, str]:
    """What a file says of how it was made; empty for what others made.

    Raises:
        Error: the file cannot be read.
    """
    if path.suffix == ".onnx":
        return of_metadata(read_onnx(path).metadata)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Error(Code.NO_FILE, f"cannot read {path}: {error.strerror}") from error
    if path.suffix == ".xml":
        return of_metadata(_of_openvino(content))
    return of_metadata(said_of(content))


def file_hash(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _model(origin: Graph) -> dict[str, str]:
    source = _sources.get(origin)
    if source is None:
        return {"model": origin.name}
    shapes = {name: "x".join(map(str, dims)) for name, dims in source.shapes.items()}
    said = {"input-shapes": _json(shapes)} if shapes else {}
    if isinstance(source.where, str):
        return {**said, "model": origin.name, "model.sha256": source.where}
    if not source.where.exists():
        return {**said, "model": source.where.name}
    return {**said, "model": source.where.name, "model.sha256": file_hash(source.where)}


def _of_openvino(content: bytes) -> dict[str, str]:
    """OpenVINO keeps texts about a model as ``<rt_info><edgec.… value="…"/></rt_info>``."""
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError:
        return {}
    info = root.find("rt_info")
    entries = list(info) if info is not None else []
    return {entry.tag: entry.get("value", "") for entry in entries}


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True)
