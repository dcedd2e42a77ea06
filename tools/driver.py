"""Load, optimize, compile: what the command line and Python both call."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgec.ir import Array, Dim, Error, Finding, Graph, Kind, load_text, parse_graph, save_text
from edgec.lowering import Verification, check_artifact, legalize, target_named
from edgec.lowering.onnx import read_onnx, write_onnx
from edgec.lowering.registry import ONNX
from edgec.passes import Pass, PassManager, PassReport, Settings, parse_pipeline
from edgec.tools.pinning import pinned

Shapes = Mapping[str, Sequence["Dim | str"]]


@dataclass(frozen=True)
class Compiled:
    """What a compilation made.

    Attributes:
        graph: the optimized graph that was written.
        path: the artifact.
        files: names of all files that make it up, the artifact's own among them.
        size: their bytes together.
        reports: one per pass.
        verification: the golden check, when it was asked for.
        seconds: by stage: read, optimize, write, verify.
    """

    graph: Graph
    path: Path
    files: Sequence[str]
    size: int
    reports: Sequence[PassReport]
    verification: Verification | None
    seconds: Mapping[str, float] = field(default_factory=dict)


def load(
    source: str | os.PathLike[str] | bytes,
    *,
    input_shapes: Shapes | None = None,
    constants: Mapping[str, Any] | None = None,
) -> Graph:
    """Read a model: ``.onnx``, ``.eir``, or the bytes of either.

    Args:
        source: a path, or the content of a file.
        input_shapes: dims by input name, ints or expressions, to pin symbolic ones.
        constants: values by input name; these inputs become constants.

    Raises:
        Error: the file cannot be read, or holds what edgec cannot read; one finding per node.
    """
    if isinstance(source, bytes):
        if source.lstrip()[:6] in (b"graph ", b"graph(") or source.lstrip()[:1] == b"#":
            return _settled(
                parse_graph(source.decode("utf-8", errors="replace")),
                input_shapes or {},
                constants or {},
            )
        return read_onnx(source, input_shapes=input_shapes, constants=constants)
    path = Path(source)
    if path.suffix == ".eir":
        return _settled(load_text(path), input_shapes or {}, constants or {})
    return read_onnx(path, input_shapes=input_shapes, constants=constants)


def _settled(graph: Graph, shapes: Shapes, constants: Mapping[str, Any]) -> Graph:
    """A graph read from text: its types stand, but symbols can be given a value."""
    if constants:
        raise Error(
            Kind.USAGE,
            "inputs of a graph in text form cannot become constants",
            instead="write the constants into the text",
        )
    return pinned(graph, shapes)


def save(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Write a graph as ``.onnx`` or ``.eir``, by the file name's suffix."""
    path = Path(path)
    if path.suffix == ".eir":
        save_text(graph, path)
    elif path.suffix == ".onnx":
        write_onnx(graph, path)
    else:
        raise Error(Kind.USAGE, f"cannot tell a format from {path.name!r}", instead=".onnx or .eir")


def optimize(
    graph: Graph,
    pipeline: str | Sequence[Pass] = "O2",
    settings: Settings | None = None,
    *,
    pristine: Graph | None = None,
) -> list[PassReport]:
    """Run a pipeline on a graph, in place. ``pristine`` as in ``PassManager.run``."""
    passes = parse_pipeline(pipeline) if isinstance(pipeline, str) else pipeline
    return PassManager(passes, settings, output=_to_stderr).run(graph, pristine=pristine)


def compile(
    graph: Graph,
    target: str = ONNX.name,
    output: str | os.PathLike[str] | None = None,
    *,
    pipeline: str | Sequence[Pass] | None = None,
    verify: bool = False,
    samples: Iterable[Mapping[str, Array]] | None = None,
    settings: Settings | None = None,
    options: Mapping[str, Any] | None = None,
    threads: int = 1,
) -> Compiled:
    """Optimize a graph and write it for a target.

    The graph itself is left as it is. With ``verify`` the artifact is run by its real runtime and
    compared with the reference kernels *before* it appears at ``output``.

    Args:
        graph: as ``load`` returns it.
        target: one of ``edgec targets``.
        output: path of the artifact; beside the current folder under the model's name when None.
        pipeline: a pipeline's text or passes; the target's own when None.
        samples: sets of inputs for the check; seeded random ones when None.
        options: of the target's writer.

    Raises:
        Error: what cannot be lowered (one finding per op), a missing runtime, or a mismatch; no
            file is left at ``output`` then, and an earlier one there survives.
    """
    to = target_named(target)
    path = Path(output) if output is not None else Path(f"{graph.name}{to.suffix}")
    if verify:
        to.runtime.require()
    seconds: dict[str, float] = {}
    lowered = graph.clone()
    with _timed(seconds, "optimize"):
        chosen = pipeline if pipeline is not None else to.pipeline
        reports = optimize(lowered, chosen, settings, pristine=graph)
        legalize(lowered, to)
    verification = None
    with staged(path) as stage:
        with _timed(seconds, "write"):
            to.write(lowered, stage, options or {})
        sizes = {made.name: made.stat().st_size for made in sorted(stage.parent.iterdir())}
        if verify:
            with _timed(seconds, "verify"):
                runner = to.load(stage, threads)
                verification = check_artifact(graph, runner, samples=samples, threads=threads)
            if not verification.ok:
                raise mismatch(verification, path)
    return Compiled(lowered, path, list(sizes), sum(sizes.values()), reports, verification, seconds)


def mismatch(verification: Verification, path: Path) -> Error:
    """The error that says how far an artifact is off."""
    findings = [
        Finding(str(c), f"output {name!r}") for name, c in verification.outputs.items() if not c
    ]
    return Error(
        Kind.MISMATCH,
        f"{path} does not compute what the model does",
        findings,
        instead="edgec opt … --check-numerics names the pass; edgec verify --per-layer the layer",
    )


@contextlib.contextmanager
def staged(path: Path) -> Iterator[Path]:
    """A path of the same name in a temporary folder beside it; what was written there moves to its
    place when the block ends well, and is thrown away otherwise."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=".edgec-", dir=path.parent))
    except OSError as error:
        raise Error(Kind.LOWERING, f"cannot write {path}: {error.strerror}") from error
    try:
        yield folder / path.name
        try:
            _move_together(sorted(folder.iterdir()), path.parent, folder / "earlier")
        except OSError as error:
            raise Error(Kind.LOWERING, f"cannot write {path}: {error.strerror}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _move_together(files: Sequence[Path], to: Path, aside: Path) -> None:
    """All of them or none: earlier files of these names lie ``aside`` until the last has moved."""
    aside.mkdir()
    moved: list[str] = []
    try:
        for file in files:
            target = to / file.name
            if target.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if target.exists():
                target.replace(aside / file.name)
            moved.append(file.name)
            file.replace(target)
    except OSError:
        for name in moved:
            (to / name).unlink(missing_ok=True)
        for earlier in aside.iterdir():
            earlier.replace(to / earlier.name)
        raise


@contextlib.contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - begin


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr)
