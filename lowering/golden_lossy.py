"""Golden check of artifacts that change numbers on purpose: small integers, 16-bit floats.

Two questions are kept apart. Does the runtime compute what was written? It is compared with the
reference kernels on the graph *as it was lowered*. And is what was written any good? The runtime is
compared with the float model: signal to noise, and how often the best class is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from edgec.ir import Array, DType, Error, Graph, Kind
from edgec.kernels import Comparison, Executor, seeded_inputs
from edgec.lowering.golden import Accuracy, Verification, is_worse, require_output
from edgec.lowering.grid_judge import judge_of
from edgec.lowering.target import Runner


def check_lossy(
    original: Graph,
    lowered: Graph,
    runner: Runner,
    *,
    samples: Iterable[Mapping[str, Array]] | None = None,
    stored: DType | None = None,
    threads: int = 1,
) -> Verification:
    """Compare an artifact with the graph that it was written from, and with the float model.

    Args:
        original: the model as it was read.
        lowered: the graph that was written.
        samples: sets of inputs by name; one seeded random set when None.
        stored: what the writer rounded float weights to, None when it wrote them as they are.

    Raises:
        Error: the artifact lacks an output, or there are no inputs.
    """
    reference = Executor(original, threads=threads)
    executor = Executor(lowered, threads=threads)
    worst: dict[str, Comparison] = {}
    gained: dict[str, _Tally] = {}
    count = 0
    for inputs in samples if samples is not None else [seeded_inputs(original)]:
        count += 1
        actual = runner.run({name: inputs[name] for name in runner.input_names})
        given = {name: inputs[name] for name in lowered.input_names}
        judge = judge_of(lowered, given, executor, stored)
        truth = reference.run({name: inputs[name] for name in original.input_names})
        for name in judge.expected:
            require_output(name, actual)
            found = judge.compare(name, actual[name])
            if name not in worst or is_worse(found, worst[name]):
                worst[name] = found
            gained.setdefault(name, _Tally()).add(actual[name], truth[name])
    if not count:
        raise Error(Kind.USAGE, "there are no inputs to compare on")
    accuracy = {name: tally.accuracy() for name, tally in gained.items()}
    return Verification(worst, count, accuracy=accuracy)


@dataclass
class _Tally:
    """Signal and noise of one output over all samples, and how often the best class is the same."""

    signal: float = 0.0
    noise: float = 0.0
    agreed: int = 0
    rows: int = 0
    scores: bool = True

    def add(self, actual: Array, truth: Array) -> None:
        self.scores = self.scores and _looks_like_scores(truth) and actual.shape == truth.shape
        if actual.shape != truth.shape:
            self.noise = np.inf
            return
        a, b = actual.astype(np.float64), truth.astype(np.float64)
        self.signal += float(np.sum(b * b))
        self.noise += float(np.sum((a - b) ** 2))
        if self.scores:
            self.agreed += int(np.sum(a.argmax(-1) == b.argmax(-1)))
            self.rows += a[..., 0].size

    def accuracy(self) -> Accuracy:
        if not self.noise:
            sqnr = np.inf
        else:
            sqnr = 10 * np.log10(self.signal / self.noise) if self.signal else -np.inf
        share = self.agreed / self.rows if self.scores and self.rows else None
        return Accuracy(float(sqnr), share, self.rows)


def _looks_like_scores(array: Array) -> bool:
    """One number for each of several classes: floats of rank 2."""
    return array.ndim == 2 and array.shape[1] > 1 and np.issubdtype(array.dtype, np.floating)
