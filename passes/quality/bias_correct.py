"""Bias correction: rounding moves the means of a layer's outputs, and the bias moves them back."""

from __future__ import annotations

from dataclasses import dataclass

from edgec.ir import Graph, Rewriter
from edgec.passes.base import Pass
from edgec.passes.context import current
from edgec.passes.promise import Lossy
from edgec.passes.quality.walk import settle, walk
from edgec.passes.reconstruct import bare


@dataclass(frozen=True)
class BiasCorrect(Pass):
    """Shift biases so that each output channel of each layer has the mean of the float model's.

    Layer by layer from the first to the last, each on what the corrected layers before it give,
    over ``samples`` samples of the data (Nagel et al. 2019, arXiv:1906.04721, section 4.2, in its
    empirical form).
    """

    name = "bias-correct"
    promise = Lossy("sqnr_db", 10.0)
    reads_data = True

    samples: int = 32

    def run(self, graph: Graph, rw: Rewriter) -> None:
        statistics = current().statistics
        for layer, twin, steps in walk(self.name, graph, self.samples, "correcting biases"):
            settle(layer, steps.right.evaluate(bare(twin)), steps)
            statistics.applied[f"correct the bias of {layer.op.op_name}"] += 1
