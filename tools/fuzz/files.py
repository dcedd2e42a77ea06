"""The campaign over damaged files: each is read, optimized, written, or refused with an Error."""

from __future__ import annotations

import os
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgec.ir import (
    Error,
    Graph,
    Kind,
    parse_graph,
    print_graph,
    sample_graph,
    verify,
)
from edgec.lowering.onnx import READERS, read_onnx, to_model, write_onnx
from edgec.tools import driver
from edgec.tools.fuzz.classes import CLASSES
from edgec.tools.fuzz.compose import random_graph
from edgec.tools.fuzz.damage import damaged_bytes, damaged_message, damaged_text
from edgec.tools.fuzz.worker import Result, results

ALLOWED = (Kind.READ, Kind.VERIFY, Kind.UNSUPPORTED, Kind.LOWERING)
_OWN_LINE = re.compile(r'File ".*?/((?:ir|kernels|passes|lowering)/[^"]*)", line (\d+)')
LARGEST_MODEL = 3 << 20  # bytes of a real model that is damaged


@dataclass(frozen=True)
class Source:
    """A sound file to damage."""

    name: str
    content: bytes
    model: Any = None  # the message, for those that are ONNX
    weight: float = 1.0


@dataclass
class Tally:
    """What became of the cases."""

    cases: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


@dataclass(frozen=True)
class FileCampaign:
    """Damaged files of one seed.

    Attributes:
        seed: with a case's number it makes the file again.
        folder: gets the first file of each kind of failure.
        models: a folder of real models, or None.
    """

    seed: int
    folder: Path
    models: Path | None
    say: Callable[[str], None] = print

    def run(self, numbers: Iterable[int], *, seconds: float = float("inf")) -> Tally:
        """Try those cases, or as many as the time allows."""
        found = sources(self.models)
        tally = Tally()
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch:
            output = Path(scratch) / "out.onnx"

            def one(number: int) -> str:
                return attempt(*self.case(number, found), output)

            for result in results(numbers, one):
                self._count(result, found, tally)
                if time.monotonic() - begin > seconds:
                    break
        tally.seconds = time.monotonic() - begin
        return tally

    def case(self, number: int, found: Sequence[Source]) -> tuple[bytes, str]:
        """The damaged file of that number, and its suffix."""
        rng = random.Random(f"{self.seed}-{number}")
        source = rng.choices(found, [source.weight for source in found])[0]
        if source.model is None:
            return damaged_text(source.content.decode(), rng).encode(), ".eir"
        if rng.random() < 0.25:
            return damaged_bytes(source.content, rng), ".onnx"
        model = damaged_message(source.model, rng, READERS.op_types())
        return model.SerializeToString(), ".onnx"

    def _count(self, result: Result, found: Sequence[Source], tally: Tally) -> None:
        tally.cases += 1
        if not _failed(result.outcome):
            tally.outcomes[result.outcome] += 1
            return
        kind = f"{result.outcome} {_place(result.detail)}".strip()
        tally.failures[kind] += 1
        if tally.failures[kind] > 1:
            return
        content, suffix = self.case(result.case, found)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.seed}-{result.case}{suffix}"
        path.write_bytes(content)
        command = f"python -m edgec.tools.fuzz --files {result.case + 1} --seed {self.seed}"
        self.say(f"case {result.case}: {kind}\n{result.detail}  {path}\n"
                 f"  {command} --only {result.case}")  # fmt: skip


def _failed(outcome: str) -> bool:
    return outcome.startswith(("raised", "killed", "more than", "error of kind"))


def _place(detail: str) -> str:
    """The last line of our own in a traceback: failures at one place are one failure."""
    lines = _OWN_LINE.findall(detail)
    return f"at {lines[-1][0]}:{lines[-1][1]}" if lines else ""


def attempt(content: bytes, suffix: str, output: Path) -> str:
    """Read, verify, optimize, write; a word for what became of it.

    Only Errors about the input are caught: whatever else is raised is a failure of edgec.
    """
    stage = "read"
    try:
        graph = _read(content, suffix)
        verify(graph)
        stage = "optimize"
        driver.optimize(graph, "O1")
        stage = "write"
        print_graph(graph)
        write_onnx(graph, output)
    except Error as error:
        if error.kind in ALLOWED:
            return f"refused at {stage}"
        return f"error of kind {error.kind.value} at {stage}\n{error}\n"
    finally:
        output.unlink(missing_ok=True)
    return "written"


def _read(content: bytes, suffix: str) -> Graph:
    if suffix == ".eir":
        return parse_graph(content.decode(errors="replace"))
    return read_onnx(content)


def sources(models: Path | None) -> list[Source]:
    """Sound files: every op's samples, random graphs, both as ONNX and as text; real models."""
    found: list[Source] = []
    for cls in CLASSES:
        for seed in range(3):
            found += _both(cls.op_name, sample_graph(cls, seed)[0], 1.0)
    for seed in range(60):
        found += _both(f"random {seed}", random_graph(seed).graph, 3.0)
    paths = sorted(models.glob("*.onnx")) if models else []
    parse = next(type(source.model) for source in found if source.model).FromString
    real = [path for path in paths if path.stat().st_size <= LARGEST_MODEL]
    share = 0.5 * sum(source.weight for source in found)
    for path in real:
        content = path.read_bytes()
        found.append(Source(path.stem, content, parse(content), share / len(real)))
    return found


def _both(name: str, graph: Graph, weight: float) -> list[Source]:
    text = Source(name, print_graph(graph, brief=True).encode(), None, weight * 0.5)
    try:
        model = to_model(graph)
    except Error:
        return [text]
    return [text, Source(name, model.SerializeToString(), model, weight)]


def models_folder(given: Path | None) -> Path | None:
    """The folder of real models: as given, as EDGEC_MODELS says, or none."""
    named = os.environ.get("EDGEC_MODELS")
    return given or (Path(named) if named else None)
