"""Checks of a graph that bisect and reduce repeat: a command's exit code, or the numbers."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from edgec.ir import Code, Error, Graph
from edgec.lowering import (
    Runner,
    Target,
    Verification,
    check_artifact,
    check_lossy,
    legalize,
)
from edgec.passes import FAILURES, Pass, PassManager, Settings
from edgec.tools import driver

PLACEHOLDER = "{}"
INTEGERS = ("integer.", "quant.")  # families of ops that compute on a grid
SHOWN = 2000  # characters of a command's output in a message


@dataclass(frozen=True)
class Verdict:
    """What a check says of a graph.

    Attributes:
        ok: the check passed.
        failure: what failed, equal for equal failures: an exit code, a pass, a target.
        message: for people.
    """

    ok: bool
    failure: str = ""
    message: str = ""


Check: TypeAlias = Callable[[Graph], Verdict]
GOOD = Verdict(True)


@dataclass(frozen=True)
class CommandCheck:
    """A shell command that ends with 0 for a good model.

    ``{}`` in it stands for the path of the model, which otherwise comes last. The model is written
    as ``.onnx`` or ``.eir`` by ``suffix``, or compiled for ``target`` with these ``passes``.
    """

    command: str
    suffix: str = ".onnx"
    target: Target | None = None
    timeout: float = 600.0
    passes: Sequence[Pass] = ()

    def __call__(self, graph: Graph) -> Verdict:
        with tempfile.TemporaryDirectory(prefix="edgec-check-") as folder:
            path = Path(folder) / f"model{self.target.suffix if self.target else self.suffix}"
            self._write(graph, path)
            return self._run(path)

    def _write(self, graph: Graph, path: Path) -> None:
        if self.target is None:
            driver.save(graph, path)
            return
        lowered = graph.clone()
        PassManager(self.passes).run(lowered)
        legalize(lowered, self.target)
        self.target.write(lowered, path, {})

    def _run(self, path: Path) -> Verdict:
        quoted = shlex.quote(str(path))
        text = self.command
        full = text.replace(PLACEHOLDER, quoted) if PLACEHOLDER in text else f"{text} {quoted}"
        try:
            done = subprocess.run(
                full, shell=True, capture_output=True, text=True, timeout=self.timeout,
                errors="replace", stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Verdict(False, "timeout", f"{full} took more than {self.timeout:g} s")
        if done.returncode == 0:
            return GOOD
        said = (done.stderr or done.stdout).strip()[-SHOWN:]
        return Verdict(
            False, f"exit {done.returncode}", f"{full} ended with {done.returncode}\n{said}".strip()
        )


@dataclass(frozen=True)
class PipelineCheck:
    """Every pass keeps its promise about numbers, and leaves a well-formed graph."""

    passes: Sequence[Pass]
    settings: Settings = field(default_factory=lambda: Settings(check_numerics=True))

    def __call__(self, graph: Graph) -> Verdict:
        for one in self.passes:
            graph = graph.clone()
            try:
                PassManager([one], self.settings).run(graph)
            except Error as error:
                return Verdict(False, f"pass {one.name}", str(error))
        return GOOD


@dataclass(frozen=True)
class ArtifactCheck:
    """What a target makes of the graph computes the same in the target's own runtime."""

    target: Target

    def __call__(self, graph: Graph) -> Verdict:
        with tempfile.TemporaryDirectory(prefix="edgec-check-") as folder:
            path = Path(folder) / f"model{self.target.suffix}"
            lowered = graph.clone()
            try:
                legalize(lowered, self.target)
                self.target.write(lowered, path, {})
                found = _compared(graph, lowered, self.target.load(path, 1))
            except FAILURES as error:
                kind = error.kind.value if isinstance(error, Error) else type(error).__name__
                return Verdict(False, f"{self.target.name}: {kind}", f"{kind}: {error}")
            if found.ok:
                return GOOD
            return Verdict(False, f"{self.target.name}: numbers", str(driver.mismatch(found, path)))


def _compared(graph: Graph, lowered: Graph, runner: Runner) -> Verification:
    """Floats to their rounding, integers in steps of their grid."""
    if any(op.op_name.startswith(INTEGERS) for op in graph.walk):
        return check_lossy(graph, lowered, runner)
    return check_artifact(graph, runner)


@dataclass(frozen=True)
class CompileCheck:
    """The pipeline keeps its promises, and the artifact computes the same."""

    passes: PipelineCheck
    artifact: ArtifactCheck

    def __call__(self, graph: Graph) -> Verdict:
        verdict = self.passes(graph)
        if not verdict.ok:
            return verdict
        optimized = graph.clone()
        PassManager(self.passes.passes).run(optimized)
        return self.artifact(optimized)


def require_failure(verdict: Verdict) -> None:
    """Raises Error when the check passes, so that there is nothing to look for."""
    if verdict.ok:
        raise Error(
            Code.NOTHING_TO_FIND,
            "the check passes on this model: there is nothing to shrink",
            instead="a check that ends with an exit code other than 0, or -p/-t that miscompile it",
        )
