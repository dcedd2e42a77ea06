"""Mixed precision: the layers that integers hurt most stay float, as few as the goal allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgec.ir import Array, Code, Error, Graph, Op, Rewriter, Role, scheme_named
from edgec.kernels import Executor, InMemory, Sample
from edgec.passes.base import Pass
from edgec.passes.context import PassContext, current, using
from edgec.passes.promise import Lossy
from edgec.passes.quality.bias_correct import BiasCorrect
from edgec.passes.quantize import Quantize
from edgec.passes.reconstruct import evenly, name_results


@dataclass(frozen=True)
class Mixed(Pass):
    """Quantize, but leave float the layers that cost most accuracy per multiply-accumulate.

    As few of them as it takes: until the outputs reach ``sqnr`` dB against the float model, or,
    where the run has a score (accuracy in per cent), until it falls by ``max_drop`` at most. Layers
    are ranked by the noise that each makes alone, on ``samples`` samples of the data.
    """

    name = "mixed"
    promise = Lossy("sqnr_db", 10.0)
    reads_data = True

    scheme: str = "onnx"
    sqnr: float = 20.0
    max_drop: float = 0.5
    samples: int = 16

    def run(self, graph: Graph, rw: Rewriter) -> None:
        context = current()
        data = context.require_data("mixed precision compares layers over data")
        if not context.fuel.spend(self.name, graph.terminator):
            return
        name_results(graph)
        trial = _Trial(graph, self.scheme, list(evenly(data, self.samples)))
        kept = self._cheapest(trial, trial.ranked())
        context.statistics.applied |= {f"keep %{name} float": 1 for name in kept}
        Quantize(scheme=self.scheme, keep="|".join(kept)).run(graph, rw)

    def _cheapest(self, trial: _Trial, ranked: Sequence[str]) -> Sequence[str]:
        """The shortest beginning of the ranking that meets the goal, by bisection."""
        low, high = 0, len(ranked)
        while low < high:
            middle = (low + high) // 2
            if self._meets(trial, ranked[:middle]):
                high = middle
            else:
                low = middle + 1
        return ranked[:high]

    def _meets(self, trial: _Trial, kept: Sequence[str]) -> bool:
        made = trial.quantized(kept)
        score = current().score
        if score is None:
            return trial.sqnr(made) >= self.sqnr
        return score(trial.graph) - score(made) <= self.max_drop


class _Trial:
    """Quantizes copies of a graph in different ways, and compares them with it."""

    def __init__(self, graph: Graph, scheme: str, samples: Sequence[Sample]) -> None:
        self.graph = graph.clone()
        self.scheme = scheme
        self.samples = samples
        self.right = _outputs(self.graph, samples)

    def ranked(self) -> list[str]:
        """Names of the layers, the one with the most noise per multiply-accumulate first."""
        roles = scheme_named(self.scheme)
        layers: list[Op] = [
            op for op in self.graph.ops if op.work().macs and roles.role(op) is Role.WEIGHTED
        ]
        names = [op.result.hint for op in layers]
        if not names:
            raise Error(
                Code.PRECISION,
                f"no layer of {self.graph.name!r} runs on integers of scheme {self.scheme!r}",
                instead="--precision fp32",
            )
        others = {result.hint for op in self.graph.ops for result in op.results}
        noise = {}
        for op, name in zip(layers, names, strict=True):
            alone = self.quantized(sorted(others - {name}), repair=False)
            noise[name] = self.noise(alone) / max(op.work().macs, 1)
        return sorted(names, key=lambda name: -noise[name])

    def quantized(self, kept: Sequence[str], *, repair: bool = True) -> Graph:
        """A quantized copy in which these results stay float."""
        made = self.graph.clone()
        context = PassContext(data=InMemory(self.samples, "samples of the data"))
        with using(context):
            Quantize(scheme=self.scheme, keep="|".join(kept)).run(made, Rewriter(made))
            if repair:
                BiasCorrect(samples=0).run(made, Rewriter(made))
        return made

    def noise(self, made: Graph) -> float:
        """The power of the difference of the outputs, as a share of the outputs' own."""
        off = [a - b for a, b in zip(_outputs(made, self.samples), self.right, strict=True)]
        return _power(off) / max(_power(self.right), 1e-30)

    def sqnr(self, made: Graph) -> float:
        """Signal to quantization noise in dB."""
        return float(-10 * np.log10(max(self.noise(made), 1e-30)))


def _outputs(graph: Graph, samples: Sequence[Sample]) -> list[Array]:
    executor = Executor(graph)
    found: list[Array] = []
    for sample in samples:
        results = executor.run({name: sample[name] for name in graph.input_names})
        found += [array.astype(np.float64) for array in results.values() if array.dtype.kind == "f"]
    return found


def _power(arrays: Sequence[Array]) -> float:
    return float(sum(np.square(array).sum() for array in arrays))
