"""What each layer's integers cost: alone, and with all layers before it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgec.ir import Array, Constant, Error, Graph, Kind, Op, Rewriter, symbols
from edgec.ir.ops import Dequantize, Quantize
from edgec.kernels import Dataset, Executor, Sample
from edgec.passes import Progress
from edgec.tools.quant_report.layers import Layer, layers_of
from edgec.tools.quant_report.tally import Figures, Tally, decibels

SAMPLES = 8  # that every layer is judged on, fewer where that takes longer than:
SECONDS = 30.0


@dataclass(frozen=True)
class Measured:
    """All layers, the most to blame first.

    Attributes:
        outputs: signal to noise of each output of the quantized model, in decibels.
        samples: number of samples behind the numbers.
        first: index of each layer in the order of the model, by its value's name.
    """

    layers: Sequence[Figures]
    outputs: Mapping[str, float]
    samples: int
    first: Mapping[str, int]


def measure(reference: Graph, quantized: Graph, data: Dataset, progress: Progress) -> Measured:
    """Run the float model, the quantized one, and the float one with one quantized layer at a time.

    Args:
        reference: the float model, whose values have the same names.
        data: a few of its samples are used, spread evenly.

    Raises:
        Error: there are no data, or no layer is quantized.
    """
    layers = layers_of(reference, quantized)
    if not layers or not len(data):
        what = "no layer is quantized" if len(data) else "there are no data"
        raise Error(Kind.CALIBRATION, f"nothing to report on: {what}")
    samples = _some(data, _affordable(reference, data, len(layers)), reference)
    macs = _macs(reference, samples[0])
    layers = [replace(layer, macs=macs.get(layer.value, 0)) for layer in layers]
    tallies = {layer.value: Tally(layer) for layer in layers}
    truth = [_observe(reference, quantized, sample, tallies) for sample in samples]
    alone = {
        layer.value: _noise(_only(reference, layer, samples), [t.expected for t in truth])
        for layer in progress(layers, "measuring layers one by one", len(layers))
    }
    total = sum(alone.values()) or 1.0
    figures = [
        tallies[layer.value].figures(decibels(alone[layer.value]), alone[layer.value] / total)
        for layer in layers
    ]
    figures.sort(key=lambda one: one.blame, reverse=True)
    outputs = {
        name: decibels(_noise([{name: t.found[name]} for t in truth], [t.expected for t in truth]))
        for name in reference.output_names
    }
    order = {layer.value: index for index, layer in enumerate(layers)}
    return Measured(figures, outputs, len(samples), order)


def _macs(reference: Graph, sample: Sample) -> dict[str, int]:
    """Multiply-accumulates by the names of results, for inputs of the sample's shapes."""
    sizes = {
        str(dim): size
        for value in reference.inputs
        for dim, size in zip(value.type.dims, np.shape(sample[value.hint]), strict=True)
        if not isinstance(dim, int) and symbols(dim) == (str(dim),)
    }
    bound = reference.clone(sizes)
    return {result.hint: op.work().macs for op in bound.ops for result in op.results}


def _affordable(reference: Graph, data: Dataset, layers: int) -> int:
    """How many samples can be run once per layer in the time that there is."""
    sample = _chosen(next(iter(data)), reference)
    executor = Executor(reference)
    executor.run(sample)
    begin = time.perf_counter()
    executor.run(sample)
    once = time.perf_counter() - begin
    return max(1, min(SAMPLES, int(SECONDS / (once * layers))))


def _some(data: Dataset, count: int, graph: Graph) -> list[Sample]:
    step = max(len(data) // count, 1)
    return [_chosen(sample, graph) for i, sample in enumerate(data) if i % step == 0][:count]


def _chosen(sample: Sample, graph: Graph) -> Sample:
    return {name: sample[name] for name in graph.input_names}


@dataclass(frozen=True)
class _Truth:
    """Outputs for one sample of the float model and of the quantized one."""

    expected: Mapping[str, Array]
    found: Mapping[str, Array]


def _observe(
    reference: Graph, quantized: Graph, sample: Sample, tallies: Mapping[str, Tally]
) -> _Truth:
    """One sample through both models; the layers' results are compared by name."""
    shown: dict[str, Array] = {}

    def keep(op: Op, results: Sequence[Array]) -> None:
        for value, array in zip(op.results, results, strict=True):
            if value.hint in tallies:
                tallies[value.hint].real(array)
                shown[value.hint] = array.copy()

    for value in reference.inputs:
        if value.hint in tallies:
            tallies[value.hint].real(sample[value.hint])
            shown[value.hint] = sample[value.hint]
    expected = Executor(reference).run(sample, tap=keep)
    after = {grid: name for grid, name in _places(quantized).items() if name in shown}

    def look(op: Op, results: Sequence[Array]) -> None:
        name = after.get(op)
        if name is None:
            return
        if op.results[0].type.dtype.is_float:
            tallies[name].off(results[0], shown[name])
        else:
            tallies[name].stored(results[0])

    return _Truth(expected, Executor(quantized).run(sample, tap=look))


def _places(quantized: Graph) -> dict[Op, str]:
    """The ops that show a layer's value stored, and in real numbers again."""
    found: dict[Op, str] = {}
    for op in quantized.ops:
        if isinstance(op, Quantize):
            found[op] = op.x.hint
        elif isinstance(op, Dequantize) and isinstance(op.x.producer, Quantize):
            if not any(isinstance(user, Dequantize) and user in found for user in op.x.users):
                found[op] = op.x.producer.x.hint
        elif op.results and not any(isinstance(u, Quantize) for u in op.results[0].users):
            found[op] = op.results[0].hint
    return {op: name for op, name in found.items() if name}


def _only(reference: Graph, layer: Layer, samples: Sequence[Sample]) -> list[Mapping[str, Array]]:
    """Outputs of the float model with that layer quantized and no other."""
    graph = reference.clone()
    op = _named(graph, layer)
    if op is not None:
        rewriter = Rewriter(graph)
        for index, array in layer.constants.items():
            rewriter.set_operand(op, index, Constant(array))
    executor = Executor(graph)

    def move(done: Op, results: Sequence[Array]) -> None:
        if done is op and layer.grid is not None:
            for value, array in zip(done.results, results, strict=True):
                if value.hint == layer.value and array.flags.writeable:
                    array[...] = layer.grid.rounded(array)

    if op is None and layer.grid is not None:
        name, grid = layer.value, layer.grid
        samples = [{**sample, name: grid.rounded(sample[name])} for sample in samples]
    return [executor.run(sample, tap=move) for sample in samples]


def _named(graph: Graph, layer: Layer) -> Op | None:
    if layer.twin is None:
        return None
    return next(op for op in graph.ops if any(r.hint == layer.value for r in op.results))


def _noise(found: Sequence[Mapping[str, Array]], expected: Sequence[Mapping[str, Array]]) -> float:
    """Noise over signal, the mean over the outputs in ``found``."""
    shares = []
    for name in found[0]:
        pairs = [
            (a[name].astype(np.float64), b[name].astype(np.float64))
            for a, b in zip(found, expected, strict=True)
        ]
        signal = sum(float(np.sum(b * b)) for _, b in pairs)
        noise = sum(float(np.sum((a - b) ** 2)) for a, b in pairs)
        shares.append(noise / signal if signal else float(noise > 0))
    return float(np.mean(shares))
