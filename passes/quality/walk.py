"""From the first quantized layer to the last, beside the float model, over data."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgec.ir import Array, Code, Error, Graph, Op
from edgec.ir.ops import Conv, MatMul
from edgec.kernels import PerSample
from edgec.passes.context import current
from edgec.passes.quality.layers import QuantizedLayer, quantized_layers
from edgec.passes.reconstruct import Lockstep, bare, evenly, twins_of
from edgec.passes.reconstruct.patches import channel_means


def walk(
    name: str, graph: Graph, samples: int, what: str
) -> Iterator[tuple[QuantizedLayer, Op, Lockstep]]:
    """Each layer with its twin in the float model, as far as the fuel of the run allows.

    Args:
        name: of the pass, for the fuel.
        samples: how many of the data, spread evenly.
        what: the pass does, for messages.

    Raises:
        Error: there is no float model in the context, or no data.
    """
    context = current()
    if context.reference is None:
        raise Error(
            Code.MISSING_STEP,
            f"{what} compares with the float model, and there is none at hand",
            instead=f"run {name} in one pipeline with quantize, after it",
        )
    data = context.require_data(f"{what} compares layers over data")
    layers: dict[Op, QuantizedLayer] = {layer.op: layer for layer in quantized_layers(graph)}
    twins = twins_of(graph, context.reference, (Conv, MatMul))
    pairs = {op: twin for op, twin in twins.items() if op in layers}
    steps = Lockstep(graph, context.reference, pairs, evenly(data, samples))
    for op, twin in context.progress(steps.layers(), what, len(pairs)):
        if not context.fuel.spend(name, op):
            return
        yield layers[op], twin, steps


def settle(layer: QuantizedLayer, wanted: PerSample, steps: Lockstep) -> None:
    """Let the layer's outputs have the means of the wanted ones, which carry no activation yet."""
    off = _means(layer, wanted) - _means(layer, steps.own.evaluate(bare(layer.op)))
    layer.shift_bias(off)
    recompute(layer, steps)


def recompute(layer: QuantizedLayer, steps: Lockstep) -> None:
    """The layer on its samples, after its constants have changed."""
    for part in layer.parts():
        steps.own.compute(part)


def _means(layer: QuantizedLayer, results: PerSample) -> Array:
    """The mean per output channel over samples and places, float64."""
    return np.asarray(np.mean([channel_means(layer.op, result) for result in results], axis=0))
