"""The campaign over random graphs: each is reproduced by the seed and its number."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgec.ir import Error, OpError, save_text
from edgec.tools.fuzz.compose import Composer, Drawn, alone, random_graph
from edgec.tools.fuzz.properties import Broken, Check

# What a wrong program raises: each is a failure to report, and the next graph is tried.
CRASHES = (Error, OpError, ValueError, KeyError, IndexError, TypeError, AttributeError,
           AssertionError, ArithmeticError, RecursionError, MemoryError, RuntimeError)  # fmt: skip


@dataclass
class Outcome:
    """What a campaign found: failures by kind, how many of each, and the checker's counts."""

    graphs: int = 0
    ops: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


@dataclass(frozen=True)
class Campaign:
    """Random graphs of one seed.

    Attributes:
        seed: printed with every failure; with a graph's number it makes the graph again.
        folder: gets each failing graph as .eir, and its inputs as .npz.
        runtime: compare with ONNX Runtime too.
    """

    seed: int
    folder: Path
    runtime: bool = True
    say: Callable[[str], None] = print

    def run(self, numbers: Iterable[int], *, seconds: float = float("inf")) -> Outcome:
        """Check those graphs, or as many as the time allows."""
        outcome = Outcome()
        check = Check(self.runtime, outcome.counts)
        begin = time.monotonic()
        for number in numbers:
            if time.monotonic() - begin > seconds:
                break
            self.one(number, check, outcome)
        outcome.seconds = time.monotonic() - begin
        return outcome

    def one(self, number: int, check: Check, outcome: Outcome) -> None:
        drawn: Drawn | None = None
        try:
            drawn = random_graph(self.seed, number)
            outcome.ops += len(drawn.graph)
            check(drawn, Composer(self.seed, number, 1))
        except CRASHES as error:
            self._report(number, drawn, f"{type(error).__name__}: {_first_line(error)}", outcome)
        except Broken as error:
            if drawn is not None and error.kind.startswith("onnxruntime"):
                drawn = smallest(drawn, self.seed, number)
            self._report(number, drawn, f"{error.kind}: {error}", outcome)
        outcome.graphs += 1

    def _report(self, number: int, drawn: Drawn | None, text: str, outcome: Outcome) -> None:
        kind = ": ".join(text.split(": ")[:2])
        if drawn is not None and len(drawn.graph) == 1:
            (op,) = drawn.graph.ops
            kind = f"{kind}: {op.op_name}"
        outcome.failures[kind] += 1
        where = ""
        if drawn is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"{self.seed}-{number}.eir"
            save_text(drawn.graph, path)
            arrays: dict[str, Any] = dict(drawn.inputs)
            np.savez(path.with_suffix(".npz"), **arrays)
            where = f"\n  {path}"
        command = f"python -m edgec.tools.fuzz --graphs {number + 1} --seed {self.seed}"
        self.say(f"graph {number}: {text}{where}\n  {command} --only {number}")


def smallest(drawn: Drawn, seed: int, number: int) -> Drawn:
    """The first op that ONNX Runtime computes differently even when it is alone; the whole graph
    when there is none."""
    arrays = dict(zip(drawn.graph.inputs, drawn.inputs.values(), strict=True))
    arrays |= drawn.arrays
    for op in drawn.graph.ops:
        graph, inputs = alone(op, arrays)
        one = Drawn(graph, inputs)
        try:
            for optimize in (True, False):
                model = Check().onnx(one, graph)
                if model is not None:
                    Check().differential(one, graph, model, optimize=optimize)
        except Broken:
            return one
    return drawn


def _first_line(error: Exception) -> str:
    return "\n".join(str(error).splitlines()[:6])
