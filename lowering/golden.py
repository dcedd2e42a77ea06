"""Golden check: an artifact, run by its real runtime, against the reference kernels."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgec.ir import Array, Code, Error, Graph, Kind, Op, Value
from edgec.kernels import (
    MOVEMENTS,
    Comparison,
    Executor,
    Mover,
    Tolerance,
    compare,
    distance,
    seeded_inputs,
    tolerance_of,
)
from edgec.lowering.grid_judge import judge_of
from edgec.lowering.target import Runner

# Layers beyond the bound that are looked at again; the first that really differs is among them.
MAX_SUSPECTS = 64


@dataclass(frozen=True)
class Accuracy:
    """How well an artifact of lower precision does what the float model does.

    Attributes:
        sqnr_db: power of the float model's output over that of the difference, in decibels.
        top1: share of rows with the same best class; None where the output is no class scores.
        rows: number of rows behind ``top1``.
    """

    sqnr_db: float
    top1: float | None = None
    rows: int = 0

    def __str__(self) -> str:
        text = f"{self.sqnr_db:.1f} dB SQNR"
        return (
            text if self.top1 is None else f"{text}, top-1 agrees on {self.top1:.1%} of {self.rows}"
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "sqnr_db": self.sqnr_db if math.isfinite(self.sqnr_db) else None,
            "top1_agreement": self.top1,
            "rows": self.rows,
        }


@dataclass(frozen=True)
class Verification:
    """What a golden check found.

    Attributes:
        outputs: the comparison that came out worst over all samples, by output name.
        samples: number of sets of inputs that were run.
        first_difference: the first layer beyond its tolerance, when layers were compared.
        accuracy: against the float model, by output name, where precision was given up.
    """

    outputs: Mapping[str, Comparison]
    samples: int
    first_difference: LayerDifference | None = None
    layers_compared: int = 0
    accuracy: Mapping[str, Accuracy] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return all(self.outputs.values())

    @property
    def largest(self) -> float:
        """Largest normwise difference over all outputs."""
        return max((c.normwise for c in self.outputs.values()), default=0.0)

    @property
    def allowed(self) -> float:
        """The tolerance of the output that came closest to it, or exceeded it most."""

        def share(c: Comparison) -> float:
            return c.normwise / c.tolerance.relative if c.tolerance.relative else c.normwise

        closest = max(self.outputs.values(), key=share, default=None)
        return closest.tolerance.relative if closest else 0.0

    @property
    def needed(self) -> float | None:
        """Smallest relative tolerance that would have passed; None when none would."""
        found = [c.needed for c in self.outputs.values()]
        return (
            None
            if None in found
            else max((n.relative for n in found if n is not None), default=0.0)
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "samples": self.samples,
            "needed": self.needed,
            "outputs": {
                name: {
                    "ok": bool(c),
                    "normwise": c.normwise,
                    "max_abs": c.max_abs,
                    "sqnr_db": c.sqnr_db,
                    "tolerance": c.tolerance.relative,
                    "why": c.tolerance.why,
                }
                for name, c in self.outputs.items()
            },
            "layers_compared": self.layers_compared,
            "first_difference": self.first_difference and str(self.first_difference),
            "accuracy": {name: found.as_json() for name, found in self.accuracy.items()},
        }


@dataclass(frozen=True)
class LayerDifference:
    """A layer whose result the runtime computes differently."""

    name: str
    op_name: str
    loc: tuple[str, ...]
    comparison: Comparison

    def __str__(self) -> str:
        source = f" from {', '.join(self.loc)}" if self.loc else ""
        return f"{self.op_name} %{self.name}{source}\n{self.comparison}"


def check_artifact(
    graph: Graph,
    runner: Runner,
    *,
    samples: Iterable[Mapping[str, Array]] | None = None,
    per_layer: bool = False,
    threads: int = 1,
) -> Verification:
    """Run the reference on ``graph`` and the artifact on its runtime, on the same inputs.

    A model that came quantized is judged by its own grids (``lowering/grid_judge.py``).

    Args:
        graph: what the artifact should compute: the model as it was read.
        samples: sets of inputs by name; one seeded random set when None.
        per_layer: also compare every value of the model that the runtime shows.
    """
    first: Mapping[str, Array] | None = None
    count = 0
    executor = Executor(graph, threads=threads)
    worst: dict[str, Comparison] = {}
    for inputs in samples if samples is not None else [seeded_inputs(graph)]:
        first = first or inputs
        count += 1
        judge = judge_of(graph, inputs, executor)
        actual = runner.run({name: inputs[name] for name in runner.input_names})
        for name in judge.expected:
            require_output(name, actual)
            found = judge.compare(name, actual[name])
            if name not in worst or is_worse(found, worst[name]):
                worst[name] = found
    difference, compared = None, 0
    if first is None:
        raise Error(Kind.USAGE, "there are no inputs to compare on")
    if per_layer:
        difference, compared = first_difference(graph, runner, first)
    return Verification(worst, count, difference, compared)


def require_output(name: str, actual: Mapping[str, Array]) -> None:
    """Raises Error when the runtime gave no output of that name."""
    if name not in actual:
        raise Error(
            Kind.MISMATCH,
            f"the artifact has no output {name!r}",
            instead=f"its outputs are {sorted(actual)}",
        )


def is_worse(a: Comparison, b: Comparison) -> bool:
    """True when the first is the worse of two comparisons."""
    if bool(a) != bool(b):
        return not a
    return a.normwise > b.normwise


def first_difference(
    graph: Graph, runner: Runner, inputs: Mapping[str, Array]
) -> tuple[LayerDifference | None, int]:
    """The first value of the model, in its own order, that the artifact computes differently; and
    the number of values compared.

    Values are matched by name: passes keep a name only for the same numbers. What was fused away,
    or what the runtime does not show, is skipped.
    """
    shown = runner.run_with_taps(inputs)
    suspects: list[tuple[Op, Value, Array]] = []
    compared = 0
    tolerance = tolerance_of(graph)

    def look(op: Op, results: Sequence[Array]) -> None:
        nonlocal compared
        for value, array in zip(op.results, results, strict=True):
            found = shown.get(value.hint)
            actual = None if found is None else _as_written(found, array, tolerance)
            if actual is None:
                continue
            compared += 1
            if len(suspects) < MAX_SUSPECTS and not compare(actual, array, tolerance):
                shown[value.hint] = actual
                suspects.append((op, value, array.copy()))

    executor = Executor(graph)
    given = {name: inputs[name] for name in graph.input_names}
    executor.run(given, tap=look)
    if not suspects:
        return None, compared
    moved = _movements(executor, given, {value: array for _, value, array in suspects})
    for op, value, array in suspects:
        allowed = max(tolerance.relative, MOVEMENTS * moved[value])
        comparison = compare(shown[value.hint], array, replace(tolerance, relative=allowed))
        if not comparison:
            return LayerDifference(value.hint, op.op_name, op.loc, comparison), compared
    return None, compared


def _as_written(actual: Array, expected: Array, tolerance: Tolerance) -> Array | None:
    """What a runtime shows of a value, in the model's layout; None where it shows another type.

    A runtime that keeps channels last shows a value so. Where dims are equal, the numbers tell.
    """
    if actual.dtype != expected.dtype or actual.ndim != expected.ndim:
        return None
    axes = list(range(1, actual.ndim))
    turned = [actual.transpose(0, *axes[k:], *axes[:k]) for k in range(1, len(axes))]
    fitting = [each for each in (actual, *turned) if each.shape == expected.shape]
    if len(fitting) < 2:
        return next(iter(fitting), None)
    return next((each for each in fitting if compare(each, expected, tolerance)), fitting[0])


def _movements(
    executor: Executor, inputs: Mapping[str, Array], expected: Mapping[Value, Array]
) -> dict[Value, float]:
    """By how much the graph's own rounding moves each of these values (``kernels/judge.py``)."""
    mover = Mover()
    found: dict[Value, float] = {}

    def move(op: Op, results: Sequence[Array]) -> None:
        mover(op, results)
        for value, array in zip(op.results, results, strict=True):
            if value in expected:
                found[value] = distance(array, expected[value])

    executor.run(inputs, tap=move)
    return found


def load_samples(path: Path, graph: Graph) -> Iterator[dict[str, Array]]:
    """Sets of inputs from an .npz whose arrays carry the model's input names.

    An array of the input's own shape is one set; one with more entries along the first axis is
    taken apart along it, one set per entry.

    Raises:
        Error: a name or a shape does not fit, or the file does not read.
    """
    arrays = read_npz(path)
    missing = [name for name in graph.input_names if name not in arrays]
    if missing:
        raise Error(
            Code.INPUTS,
            f"{path} has no array for {missing}",
            instead=f"arrays named {list(graph.input_names)}; found {sorted(arrays)}",
        )
    whole = all(_fits(value, arrays[value.hint]) for value in graph.inputs)
    if whole:
        yield {name: arrays[name] for name in graph.input_names}
        return
    counts = {arrays[value.hint].shape[:1] for value in graph.inputs}
    if len(counts) != 1:
        raise Error(Code.INPUTS, f"the arrays of {path} have different numbers of samples")
    for index in range(counts.pop()[0]):
        sample = {v.hint: arrays[v.hint][index : index + 1] for v in graph.inputs}
        for value in graph.inputs:
            if not _fits(value, sample[value.hint]):
                raise Error(
                    Code.INPUTS,
                    f"samples of {value.hint!r} in {path} are {sample[value.hint].dtype}"
                    f"{list(sample[value.hint].shape)}, the model wants {value.type}",
                )
        yield sample


def read_npz(path: Path) -> dict[str, Array]:
    """Every array of an .npz file (never pickled objects). Raises Error when it does not read."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except OSError as error:
        raise Error(Code.NO_FILE, f"cannot read {path}: {error.strerror or error}") from error
    except (
        ValueError,
        KeyError,
        EOFError,
        TypeError,
        AttributeError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise Error(
            Kind.READ, f"{path} is no .npz file of plain arrays", instead="numpy.savez(path, x=…)"
        ) from error


def _fits(value: Value, array: Array) -> bool:
    type = value.type
    return (
        array.dtype == type.dtype.numpy
        and array.ndim == type.rank
        and all(
            not isinstance(dim, int) or dim == size
            for dim, size in zip(type.dims, array.shape, strict=True)
        )
    )
