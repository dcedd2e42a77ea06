"""Mixed precision: the layers that integers hurt most stay float, as a budget allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgec.ir import Array, Code, Constant, Error, Graph, Op, Rewriter, Role, scheme_named
from edgec.kernels import Executor, InMemory, Sample
from edgec.passes.base import Pass
from edgec.passes.context import PassContext, current, using
from edgec.passes.promise import Lossy
from edgec.passes.quality.bias_correct import BiasCorrect
from edgec.passes.quality.budget import DROP, SIZE, Budget
from edgec.passes.quantize import Quantize
from edgec.passes.reconstruct import evenly, name_results

# An order needs less than a verdict: every layer alone costs a run of the whole model per sample.
_RANKED_ON = 4


@dataclass(frozen=True)
class Mixed(Pass):
    """Quantize, but leave float the layers that cost most accuracy, within a budget.

    A budget of accuracy (``20dB`` against the float model on ``samples`` samples of the data, or
    ``0.5%`` of the run's score) keeps as few of them as it takes. One of cost (``4MB`` of weights,
    or ``3ms`` that the cost model estimates on ``device``) keeps as many as it allows. Layers are
    ranked by the noise that each makes alone, per multiply-accumulate, or per weight where bytes
    are the budget. Without one it is 0.5% where the run has a score, else 20dB.
    """

    name = "mixed"
    promise = Lossy("sqnr_db", 10.0)
    reads_data = True

    scheme: str = "onnx"
    budget: str = ""
    device: str = ""
    samples: int = 16

    def __post_init__(self) -> None:
        if self.budget:
            Budget.read(self.budget, self.device)

    def run(self, graph: Graph, rw: Rewriter) -> None:
        context = current()
        data = context.require_data("mixed precision compares layers over data")
        budget = Budget.read(self.budget or ("0.5%" if context.score else "20dB"), self.device)
        if budget.kind == DROP and context.score is None:
            raise Error(
                Code.OPTION, f"a budget of {budget.text} of a score, and no score is at hand",
                instead="score=… of edgec.compile, or a budget of 20dB",
            )  # fmt: skip
        if not context.fuel.spend(self.name, graph.terminator):
            return
        name_results(graph)
        trial = _Trial(graph, self.scheme, list(evenly(data, self.samples)))
        ranked = trial.ranked(per_byte=budget.kind == SIZE)
        kept = (
            _most(trial, ranked, budget) if budget.bounds_cost else _fewest(trial, ranked, budget)
        )
        context.statistics.applied |= {f"keep %{name} float": 1 for name in kept}
        Quantize(scheme=self.scheme, keep="|".join(trial.floats(kept))).run(graph, rw)


def _fewest(trial: _Trial, ranked: Sequence[str], budget: Budget) -> Sequence[str]:
    """The shortest beginning of the ranking that is accurate enough, by bisection.

    Raises:
        Error: not even all of it is.
    """
    if not trial.is_accurate(ranked, budget):
        raise Error(
            Code.PRECISION,
            f"a budget of {budget.text} is not met with {trial.graph.name!r} in float",
            instead="a wider budget, or --precision fp32",
        )
    low, high = 0, len(ranked)
    while low < high:
        middle = (low + high) // 2
        if trial.is_accurate(ranked[:middle], budget):
            high = middle
        else:
            low = middle + 1
    return ranked[:high]


def _most(trial: _Trial, ranked: Sequence[str], budget: Budget) -> Sequence[str]:
    """Every layer in the ranking's order that the budget still has room for.

    Raises:
        Error: not even integers throughout fit.
    """
    least = budget.cost(trial.quantized((), repair=False))
    if least > budget.limit:
        raise Error(
            Code.PRECISION,
            f"on integers throughout {trial.graph.name!r} takes {budget.shown(least)}, more than "
            f"the budget of {budget.text}",
            instead="a wider budget, or prune it first (edgec passes: prune, factorize)",
        )
    kept: list[str] = []
    for name in ranked:
        if budget.cost(trial.quantized([*kept, name], repair=False)) <= budget.limit:
            kept.append(name)
    return kept


class _Trial:
    """Quantizes copies of a graph in different ways, and compares them with it."""

    def __init__(self, graph: Graph, scheme: str, samples: Sequence[Sample]) -> None:
        self.graph = graph.clone()
        self.scheme = scheme
        self.samples = samples
        self.right = _outputs(self.graph, samples)
        roles = scheme_named(scheme)
        self.layers: list[Op] = [
            op for op in self.graph.ops if op.work().macs and roles.role(op) is Role.WEIGHTED
        ]

    def ranked(self, *, per_byte: bool) -> list[str]:
        """Names of the layers, the one first whose noise is largest for what it costs in float: per
        byte of its weights, or per multiply-accumulate."""
        names = [op.result.hint for op in self.layers]
        if not names:
            raise Error(
                Code.PRECISION,
                f"no layer of {self.graph.name!r} runs on integers of scheme {self.scheme!r}",
                instead="--precision fp32",
            )
        others = {result.hint for op in self.graph.ops for result in op.results}
        samples = list(evenly(InMemory(self.samples, "samples of the data"), _RANKED_ON))
        right = _outputs(self.graph, samples)
        noise = {}
        for op, name in zip(self.layers, names, strict=True):
            alone = self._quantized(sorted(others - {name}), repair=False)
            cost = _weight_bytes(op) if per_byte else op.work().macs
            noise[name] = _noise(_outputs(alone, samples), right) / max(cost, 1)
        return sorted(names, key=lambda name: -noise[name])

    def floats(self, kept: Sequence[str]) -> list[str]:
        """The results that stay float when these layers' do: what stands between layers in float
        alone is not worth a grid of its own."""
        layers = set(self.layers)
        between = [op for op in self.graph.ops if op not in layers]
        after = {op for op in self.layers if op.result.hint not in set(kept)}
        before = set(after)
        for op in between:
            if any(value.producer in after for value in op.present_operands):
                after.add(op)
        for op in reversed(between):
            if any(user in before for result in op.results for user in result.users):
                before.add(op)
        alone = (op for op in between if op not in after and op not in before)
        return [*kept, *(result.hint for op in alone for result in op.results)]

    def quantized(self, kept: Sequence[str], *, repair: bool = True) -> Graph:
        """A quantized copy in which these layers stay float."""
        return self._quantized(self.floats(kept), repair=repair)

    def _quantized(self, kept: Sequence[str], *, repair: bool) -> Graph:
        made = self.graph.clone()
        context = PassContext(data=InMemory(self.samples, "samples of the data"))
        with using(context):
            Quantize(scheme=self.scheme, keep="|".join(kept)).run(made, Rewriter(made))
            if repair:
                BiasCorrect(samples=0).run(made, Rewriter(made))
        return made

    def is_accurate(self, kept: Sequence[str], budget: Budget) -> bool:
        """Whether outputs, or the score, stay within a budget of accuracy."""
        made = self.quantized(kept)
        score = current().score
        if budget.kind == DROP and score is not None:
            return score(self.graph) - score(made) <= budget.limit
        return self.sqnr(made) >= budget.limit

    def sqnr(self, made: Graph) -> float:
        """Signal to quantization noise in dB."""
        noise = _noise(_outputs(made, self.samples), self.right)
        return float(-10 * np.log10(max(noise, 1e-30)))


def _weight_bytes(op: Op) -> int:
    return sum(v.type.nbytes() for v in op.present_operands if isinstance(v, Constant))


def _outputs(graph: Graph, samples: Sequence[Sample]) -> list[Array]:
    executor = Executor(graph)
    found: list[Array] = []
    for sample in samples:
        results = executor.run({name: sample[name] for name in graph.input_names})
        found += [array.astype(np.float64) for array in results.values() if array.dtype.kind == "f"]
    return found


def _noise(found: Sequence[Array], right: Sequence[Array]) -> float:
    """The power of the difference, as a share of what is right."""
    off = [a - b for a, b in zip(found, right, strict=True)]
    return _power(off) / max(_power(right), 1e-30)


def _power(arrays: Sequence[Array]) -> float:
    return float(sum(np.square(array).sum() for array in arrays))
