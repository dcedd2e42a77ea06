"""Holding a compilation to its golden: numbers, ops, text, bytes, size and latency."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgec.ir import Array, print_graph
from edgec.kernels import Tolerance, compare
from edgec.lowering import first_difference
from edgec.tools.goldens.record import (
    DIGITS,
    Artifact,
    build,
    file_hash,
    histogram,
    layer_figures,
    noted,
    versions,
)
from edgec.tools.goldens.store import Golden
from edgec.tools.texttests import difference

ASPECTS = ("numbers", "ops", "text", "bytes", "size", "latency")
"""What of a golden can be compared."""
USUAL = ("numbers", "ops", "size")


@dataclass(frozen=True)
class Tolerances:
    """How far a compilation may be from its golden.

    Attributes:
        relative: of the outputs, to their largest magnitude; what rounding explains when None.
        size: growth of the artifact, as a share.
        latency: growth of the ratio to the peer, as a share.
    """

    relative: float | None = None
    size: float = 0.02
    latency: float = 0.5


@dataclass(frozen=True)
class Difference:
    """One aspect in which a compilation differs from its golden, in words."""

    aspect: str
    text: str

    def __str__(self) -> str:
        return f"{self.aspect}: {self.text}"


@dataclass(frozen=True)
class Report:
    """What came of a check.

    Attributes:
        differences: what differs, of the aspects that were asked for.
        notes: what changed since the recording and may explain it: the model, versions.
        fresh: the golden that would be recorded now.
    """

    differences: Sequence[Difference]
    notes: Sequence[str]
    fresh: Golden

    @property
    def ok(self) -> bool:
        return not self.differences

    def __str__(self) -> str:
        lines = [str(difference) for difference in self.differences]
        if lines:
            lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines) or "as recorded"


def check(
    golden: Golden,
    path: Path,
    *,
    aspects: Sequence[str] = USUAL,
    allowed: Tolerances | None = None,
) -> Report:
    """Compile again what a golden says, and compare.

    Args:
        path: of the golden's .json; the model lies relative to it.
        aspects: some of ``ASPECTS``.

    Raises:
        Error: it cannot be compiled any more, or the runtime is missing.
    """
    limits = allowed or Tolerances()
    model = str((path.parent / golden.spec.model).resolve())
    with build(replace(golden.spec, model=model)) as artifact:
        fresh = noted(artifact, path, latency="latency" in aspects)
        found: list[Difference] = []
        for aspect in aspects:
            differs = _COMPARED[aspect]
            found += [Difference(aspect, text) for text in differs(golden, fresh, artifact, limits)]
        return Report(found, list(_notes(golden, artifact)), fresh)


def _numbers(
    golden: Golden, fresh: Golden, artifact: Artifact, limits: Tolerances
) -> Iterator[str]:
    wrong = list(_outputs(golden, fresh, limits))
    yield from wrong
    if wrong:
        yield f"the first layer that differs: {_first_layer(golden, fresh, artifact)}"


def _outputs(golden: Golden, fresh: Golden, limits: Tolerances) -> Iterator[str]:
    for index, (before, after) in enumerate(zip(golden.outputs, fresh.outputs, strict=True)):
        for name in dict.fromkeys([*before, *after]):
            if name not in before or name not in after:
                yield f"output {name!r} is {'new' if name in after else 'gone'}"
                continue
            text = _output(after[name], before[name], _allowed(golden, name, limits))
            if text:
                yield f"output {name!r}, inputs {index}: {text}"


def _allowed(golden: Golden, name: str, limits: Tolerances) -> Tolerance:
    if limits.relative is not None:
        return Tolerance(limits.relative, 0.0, 0, "as the test allows")
    smallest = float(np.finfo(np.float32).smallest_normal)
    return Tolerance(golden.tolerances.get(name, 0.0), smallest, 0, "rounding, when recorded")


def _output(actual: Array, expected: Array, tolerance: Tolerance) -> str:
    comparison = compare(actual, expected, tolerance)
    return "" if comparison else str(comparison)


def _first_layer(golden: Golden, fresh: Golden, artifact: Artifact) -> str:
    """Of the artifact against the model, when it computes something else; otherwise the layer of
    the model that is no more what it was."""
    inputs = {name: artifact.inputs[0][name] for name in artifact.graph.input_names}
    layer, _ = first_difference(artifact.graph, artifact.runner, inputs)
    if layer is not None:
        return f"{layer} (the artifact, against the model's own values)"
    for name, figures in layer_figures(artifact.graph, inputs).items():
        known = golden.layers.get(name)
        if known is None:
            return f"%{name}: it is new in the model"
        if not np.allclose(figures, known, rtol=10.0 ** (1 - DIGITS), atol=1e-30, equal_nan=True):
            return (
                f"%{name}: mean {known[0]:g} → {figures[0]:g}, deviation {known[1]:g} → "
                f"{figures[1]:g}, largest {known[2]:g} → {figures[2]:g} (the model itself)"
            )
    return "none: each layer agrees within its tolerance"


def _ops(golden: Golden, fresh: Golden, artifact: Artifact, limits: Tolerances) -> Iterator[str]:
    before, after = golden.ops, histogram(artifact.compiled.graph)
    changed = [
        f"{name} {before.get(name, 0)} → {after.get(name, 0)}"
        for name in sorted({*before, *after})
        if before.get(name, 0) != after.get(name, 0)
    ]
    if changed:
        yield ", ".join(changed)


def _text(golden: Golden, fresh: Golden, artifact: Artifact, limits: Tolerances) -> Iterator[str]:
    found = print_graph(artifact.compiled.graph, brief=True)
    expected = "\n".join(golden.graph)
    if found != expected:
        yield f"the graph differs\n{difference(expected, found)}"


def _bytes(golden: Golden, fresh: Golden, artifact: Artifact, limits: Tolerances) -> Iterator[str]:
    for name in sorted({*golden.files, *fresh.files}):
        before, after = golden.files.get(name, "absent"), fresh.files.get(name, "absent")
        if before != after:
            yield f"{name}: sha256 {before[:12]} → {after[:12]}"


def _size(golden: Golden, fresh: Golden, artifact: Artifact, limits: Tolerances) -> Iterator[str]:
    if fresh.size > golden.size * (1 + limits.size):
        grown = fresh.size / golden.size - 1
        yield f"{golden.size} → {fresh.size} bytes, {grown:+.1%} of {limits.size:.1%} allowed"


def _latency(
    golden: Golden, fresh: Golden, artifact: Artifact, limits: Tolerances
) -> Iterator[str]:
    if golden.latency is None or fresh.latency is None:
        return
    if fresh.latency > golden.latency * (1 + limits.latency):
        yield (
            f"{golden.latency:.3f} → {fresh.latency:.3f} of {golden.peer}, "
            f"{limits.latency:.0%} more is allowed"
        )


_Compared = Callable[[Golden, Golden, Artifact, Tolerances], Iterator[str]]
_COMPARED: Mapping[str, _Compared] = {
    "numbers": _numbers,
    "ops": _ops,
    "text": _text,
    "bytes": _bytes,
    "size": _size,
    "latency": _latency,
}


def _notes(golden: Golden, artifact: Artifact) -> Iterator[str]:
    """What is not as it was when the golden was recorded."""
    if file_hash(Path(artifact.spec.model)) != golden.model_hash:
        yield "the model's file is another one than was recorded"
    for name, now in versions(artifact.target).items():
        before = golden.versions.get(name, "absent")
        if before != now:
            yield f"{name} {before} → {now}"
