"""Compiling a model and noting down all that a golden holds."""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edgec.ir import Array, Graph, Op, print_graph
from edgec.kernels import MOVEMENTS, Executor, Judge, seeded_inputs
from edgec.lowering import Runner, Target, target_named
from edgec.tools import driver
from edgec.tools.goldens.store import Arrays, Golden, Spec

LATENCY_RUNS = 30
DIGITS = 6  # of the figures of a layer


@dataclass(frozen=True)
class Artifact:
    """A compiled model, loaded into its runtime.

    Attributes:
        graph: the model as it was read.
        compiled: what the driver made of it.
        runner: the artifact in its runtime.
        inputs: the sets of inputs that the spec asks for.
        folder: where the artifact lies while the block lasts.
    """

    spec: Spec
    graph: Graph
    target: Target
    compiled: driver.Compiled
    runner: Runner
    inputs: Sequence[Arrays]
    folder: Path

    def run(self) -> list[dict[str, Array]]:
        """Outputs by name, for each set of inputs."""
        names = self.runner.input_names
        return [self.runner.run({name: one[name] for name in names}) for one in self.inputs]

    def hashes(self) -> dict[str, str]:
        """sha256 of each file of the artifact."""
        return {name: file_hash(self.folder / name) for name in self.compiled.files}

    def latency(self) -> float | None:
        """Median time of a run, over that of the model itself in the same runtime; None where the
        runtime does not take the model."""
        model = Path(self.spec.model)
        if model.suffix != self.target.suffix:
            return None
        peer = self.target.load(model, 1)
        first = self.inputs[0]
        ours, theirs = (
            {name: first[name] for name in runner.input_names} for runner in (self.runner, peer)
        )
        ratios = []
        for _ in range(LATENCY_RUNS):
            ratios.append(_seconds(self.runner, ours) / _seconds(peer, theirs))
        return float(np.median(ratios))


@contextmanager
def build(spec: Spec) -> Iterator[Artifact]:
    """Compile what a spec says, in a temporary folder.

    Raises:
        Error: it cannot be compiled, or the runtime is missing.
    """
    target = target_named(spec.target)
    target.runtime.require()
    graph = driver.load(spec.model)
    with TemporaryDirectory(prefix="edgec-golden-") as folder:
        path = Path(folder) / f"artifact{target.suffix}"
        compiled = driver.compile(
            graph,
            target.name,
            path,
            pipeline=spec.pipeline,
            precision=spec.precision,
            calibration=spec.calibration,
            options=dict(spec.options),
        )
        inputs = list(spec.inputs) or [seeded_inputs(graph, seed=seed) for seed in spec.seeds]
        yield Artifact(spec, graph, target, compiled, target.load(path, 1), inputs, Path(folder))


def record(spec: Spec, path: Path, *, latency: bool = False) -> Golden:
    """Compile, run, and note down; ``path`` is where the golden will lie, and what the model's path
    becomes relative to.

    Raises:
        Error: it cannot be compiled, or the runtime is missing.
    """
    with build(spec) as artifact:
        return noted(artifact, path, latency=latency)


def noted(artifact: Artifact, path: Path, *, latency: bool) -> Golden:
    """The golden of what was built."""
    spec, target = artifact.spec, artifact.target
    relative = os.path.relpath(spec.model, path.parent)
    ratio = artifact.latency() if latency else None
    return Golden(
        spec=replace(spec, model=Path(relative).as_posix()),
        model_hash=file_hash(Path(spec.model)),
        versions=versions(target),
        outputs=artifact.run(),
        tolerances=tolerances(artifact),
        graph=print_graph(artifact.compiled.graph, brief=True).splitlines(),
        ops=histogram(artifact.compiled.graph),
        files=artifact.hashes(),
        size=artifact.compiled.size,
        layers=layer_figures(artifact.graph, artifact.inputs[0]),
        latency=ratio,
        peer="" if ratio is None else f"the model itself in {target.runtime.module}",
    )


def tolerances(artifact: Artifact) -> dict[str, float]:
    """For each output the relative difference that its own roundings explain (see ``Judge``)."""
    given = {name: artifact.inputs[0][name] for name in artifact.graph.input_names}
    judge = Judge(artifact.graph, given)
    moved = judge.movements()
    return {name: max(judge.tolerance.relative, MOVEMENTS * moved[name]) for name in judge.expected}


def layer_figures(graph: Graph, inputs: Arrays) -> dict[str, list[float]]:
    """Mean, deviation and largest magnitude of each float result, by name, on the reference."""
    found: dict[str, list[float]] = {}

    def note(op: Op, results: Sequence[Array]) -> None:
        for value, array in zip(op.results, results, strict=True):
            if value.type.dtype.is_float and array.size and value.hint:
                numbers = array.astype(np.float64)
                figures = (numbers.mean(), numbers.std(), np.abs(numbers).max())
                found[value.hint] = [float(f"{figure:.{DIGITS}g}") for figure in figures]

    with np.errstate(all="ignore"):
        Executor(graph).run({name: inputs[name] for name in graph.input_names}, tap=note)
    return found


def histogram(graph: Graph) -> dict[str, int]:
    return dict(sorted(Counter(op.op_name for op in graph.walk).items()))


def versions(target: Target) -> dict[str, str]:
    """Of what the numbers depend on."""
    names = ("edgec", "numpy", target.runtime.module)
    return {name: _version(name) for name in dict.fromkeys(names)}


def _version(name: str) -> str:
    for candidate in (name, name.replace("_", "-")):
        try:
            return version(candidate)
        except PackageNotFoundError:
            continue
    return "unknown"


def file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _seconds(runner: Runner, inputs: Mapping[str, Array]) -> float:
    begin = time.perf_counter()
    runner.run(inputs)
    return time.perf_counter() - begin
