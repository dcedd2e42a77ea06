"""Load, optimize, compile: what the command line and Python both call."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from edgec.ir import (
    Array,
    Code,
    Dim,
    Error,
    Finding,
    Graph,
    Kind,
    dtypes,
    load_text,
    parse_graph,
    save_text,
)
from edgec.kernels import Dataset
from edgec.lowering import (
    Runner,
    Target,
    Verification,
    check_artifact,
    check_lossy,
    legalize,
    target_named,
)
from edgec.lowering.onnx import read_onnx, write_onnx
from edgec.lowering.registry import ONNX
from edgec.passes import (
    Layout,
    Lossy,
    Pass,
    PassManager,
    PassReport,
    Preprocess,
    Preset,
    Settings,
    is_quantized,
    needs_no_data,
    parse_pipeline,
    pipeline_text,
    preset_named,
    with_preset,
)
from edgec.tools import devices as devices  # passes find them by name
from edgec.tools import provenance
from edgec.tools.data_sources import Source, data_of
from edgec.tools.images import ImageInput
from edgec.tools.pinning import pinned
from edgec.tools.preprocessing import with_preprocessing
from edgec.tools.quant_report import Before, QuantReport

VERIFIED_SAMPLES = 8  # of the calibration data, for the check when nothing else is given

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
        report: what quantization cost, layer by layer, when it was asked for.
        seconds: by stage: read, optimize, write, verify, report.
        caveat: what the target's runtime does otherwise on this machine's CPU; empty where nothing.
    """

    graph: Graph
    path: Path
    files: Sequence[str]
    size: int
    reports: Sequence[PassReport]
    verification: Verification | None
    report: QuantReport | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    caveat: str = ""


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
    graph = _read(source, input_shapes, constants)
    where = source if isinstance(source, bytes) else Path(source)
    provenance.remember(graph, where, input_shapes or {})
    return graph


def _read(
    source: str | os.PathLike[str] | bytes,
    input_shapes: Shapes | None,
    constants: Mapping[str, Any] | None,
) -> Graph:
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
        raise Error(
            Code.SUFFIX, f"cannot tell a format from {path.name!r}", instead=".onnx or .eir"
        )


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
    precision: str = "fp32",
    calibration: Source | None = None,
    images: ImageInput | None = None,
    score: Callable[[Graph], float] | None = None,
    preprocess: str | Preprocess | Sequence[str | Preprocess] = (),
    pipeline: str | Sequence[Pass] | None = None,
    verify: bool = False,
    report: bool = False,
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
        precision: one of ``edgec.passes.PRESETS``, such as 'int8' or 'int8-mixed{max_drop=0.5%}'.
        calibration: what integers are chosen from: a folder of pictures, an .npz, 'random', or
            samples (mappings of input names to arrays) as any iterable. A model that carries
            ranges, or quantization of its own, needs none.
        images: how pictures become inputs, where ``calibration`` holds some.
        score: what ``int8-mixed`` keeps, in per cent and more is better: accuracy on your own data,
            for example (``edgec.accuracy`` makes one of labelled samples).
        preprocess: what the artifact does to its inputs first, as in
            'mean=127,scale=128,layout=nhwc,dtype=u8'; one for each input. Calibration data and
            samples are raw then, as the artifact takes them.
        pipeline: a pipeline's text or passes; the target's own when None.
        report: also measure what each quantized layer costs (``Compiled.report``).
        samples: sets of inputs for the check; some of the calibration data, or seeded random ones,
            when None.
        options: of the target's writer.

    Raises:
        Error: what cannot be lowered (one finding per op), a missing runtime, or a mismatch; no
            file is left at ``output`` then, and an earlier one there survives.
    """
    to = target_named(target)
    path = Path(output) if output is not None else Path(f"{graph.name}{to.suffix}")
    if verify:
        to.runtime.require()
    preset, options = _preset(to, precision, options or {})
    graph, images = with_preprocessing(graph, preprocess, images)
    data = None if calibration is None else data_of(calibration, graph, images)
    if data is None and preset.takes_data and (preset.must_run or not needs_no_data(graph)):
        raise Error(
            Kind.CALIBRATION,
            f"--precision {precision} chooses integers from typical inputs, and none were given",
            instead="--calibration DIR|X.npz, or --calibration random to try without any",
        )
    settings = settings or Settings()
    settings = replace(settings, data=data or settings.data, score=score or settings.score)
    passes = _passes(to, preset, pipeline, options, None if is_quantized(graph) else data)
    seconds: dict[str, float] = {}
    lowered = graph.clone()
    before = Before(passes) if report else None
    if before is not None:
        settings = replace(settings, watch=before)
    with _timed(seconds, "optimize"):
        reports = optimize(lowered, passes, settings, pristine=graph)
        legalize(lowered, to)
    found = None
    if before is not None:
        with _timed(seconds, "report"):
            found = before.report(reports, data, settings.progress)
    provenance.stamp(
        lowered,
        graph,
        target=to.name,
        pipeline=_asked(to.pipeline if pipeline is None else pipeline),
        precision=precision,
        calibration=calibration,
        options=options,
    )
    verification = None
    with staged(path) as stage:
        with _timed(seconds, "write"):
            to.write(lowered, stage, options)
        sizes = {made.name: made.stat().st_size for made in sorted(stage.parent.iterdir())}
        if verify:
            if samples is None and data is not None:
                samples = islice(data, VERIFIED_SAMPLES)
            with _timed(seconds, "verify"):
                runner = to.load(stage, threads)
                gave_up = any(
                    one.changed and isinstance(done.promise, Lossy)
                    for one, done in zip(reports, passes, strict=True)
                )
                verification = _checked(graph, lowered, gave_up, options, runner, samples, threads)
            if not verification.ok:
                raise mismatch(verification, path)
    caveat = to.caveat(lowered) if to.caveat is not None else ""
    size = sum(sizes.values())
    return Compiled(lowered, path, list(sizes), size, reports, verification, found, seconds, caveat)


def _asked(pipeline: str | Sequence[Pass]) -> str:
    """The passes that were asked for, named pipelines spelled out."""
    passes = parse_pipeline(pipeline) if isinstance(pipeline, str) else pipeline
    return pipeline_text(list(passes))


def _preset(
    to: Target, precision: str, options: Mapping[str, Any]
) -> tuple[Preset, Mapping[str, Any]]:
    """The passes of a precision, and the writer's options: some writers narrow weights
    themselves, which leaves the graph as it is."""
    preset = preset_named(precision)
    if precision == "fp16" and precision in to.precisions and "precision" in to.option_names:
        return preset_named("fp32"), {**options, "precision": precision}
    return preset, options


def _passes(
    to: Target,
    preset: Preset,
    pipeline: str | Sequence[Pass] | None,
    options: Mapping[str, Any],
    repair_on: Dataset | None,
) -> list[Pass]:
    """The target's passes, or the user's own, with those of the precision among them."""
    chosen = to.pipeline if pipeline is None else pipeline
    listed = parse_pipeline(chosen) if isinstance(chosen, str) else chosen
    passes = with_preset(listed, preset, to.scheme, to.name, repair_on)
    return [_with_layouts(one, to, options) for one in passes]


def _with_layouts(one: Pass, to: Target, options: Mapping[str, Any]) -> Pass:
    """The layout pass with what the target says of layouts, and what the user wants at the edges;
    any other pass as it is."""
    if not isinstance(one, Layout):
        return one
    io = "free" if options.get("io_layout", "nchw") != "nchw" else one.io
    return replace(one, target=one.target or (to.name if to.layouts else ""), io=io)


def _checked(
    graph: Graph,
    lowered: Graph,
    gave_up: bool,
    options: Mapping[str, Any],
    runner: Runner,
    samples: Iterable[Mapping[str, Array]] | None,
    threads: int,
) -> Verification:
    """The golden check that fits what was done: float models compute what they did, to their own
    rounding; what gave up precision is held to what was written, and reported against the model."""
    stored = dtypes.f16 if options.get("precision") == "fp16" else None
    if stored is None and not gave_up:
        return check_artifact(graph, runner, samples=samples, threads=threads)
    return check_lossy(graph, lowered, runner, samples=samples, stored=stored, threads=threads)


def mismatch(verification: Verification, path: Path) -> Error:
    """The error that says how far an artifact is off."""
    findings = [
        Finding(str(c), f"output {name!r}") for name, c in verification.outputs.items() if not c
    ]
    return Error(
        Kind.MISMATCH,
        f"{path} does not compute what the model does",
        findings,
        instead="edgec bisect -t TARGET names the rewrite or write rule, edgec verify --per-layer "
        "the layer",
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
    except Error as error:  # the user knows the path that was asked for, not the one in between
        message = error.message.replace(str(folder / path.name), str(path))
        raise Error(error.code, message, error.findings, instead=error.instead) from error
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
