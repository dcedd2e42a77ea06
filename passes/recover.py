"""Recovery without labels: each layer is fitted again to what it gave in the original model.

The original is the teacher, layer by layer (He et al. 2017, arXiv:1707.06168, section 3.2): least
squares over calibration data, from what the layer reads now to what it gave then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgec.ir import Array, Code, Constant, Error, Graph, Op, Rewriter
from edgec.ir.ops import BatchNorm, Conv, MatMul
from edgec.passes.base import Pass
from edgec.passes.context import current
from edgec.passes.promise import Lossy
from edgec.passes.reconstruct import (
    Lockstep,
    Moments,
    Teacher,
    bare,
    evenly,
    gather,
    on_support,
    rows_of,
    twins_of,
    unrows,
)
from edgec.passes.reconstruct.patches import Layer, is_supported

BIAS_SLOT = 2
LEAST_DAMPING = 0.01
SMALLEST = 1e-12
SPARSE = 0.2  # a layer with that share of zeros keeps them


@dataclass(frozen=True)
class Recover(Pass):
    """Fit the layers of a smaller model to what they gave in the original, without labels.

    From the first to the last, each on what the fitted layers before it give, over ``samples``
    samples of the data at ``places`` places of each. Weights are drawn towards what they were by
    ``damping`` times the inputs' variance where there are as many places as inputs, and by less
    the more places there are. Batch normalization that is left gets the means and variances of the
    original's results, and zeros of sparse layers stay. Runs after prune, factorize, drop-blocks or
    sparsify in one pipeline; layers on integers are repaired by bias-correct or adaround.
    """

    name = "recover"
    promise = Lossy("sqnr_db", 0.0)

    samples: int = 64
    places: int = 128
    damping: float = 1.0

    def run(self, graph: Graph, rw: Rewriter) -> None:
        context = current()
        if context.teacher is None:
            raise Error(
                Code.MISSING_STEP,
                "recover compares with the original model, and nothing was taken from this one yet",
                instead="-p 'prune{macs=0.7,recover=false},recover'",
            )
        fitted = recover(graph, context.teacher, self.samples, self.places, self.damping)
        context.statistics.applied["recover layers"] += fitted


def teacher_of(graph: Graph) -> Teacher:
    """The original of this run of passes: what the graph is now, if no pass asked before."""
    context = current()
    if context.teacher is None:
        context.teacher = Teacher.of(graph)
    return context.teacher


def recover(graph: Graph, teacher: Teacher, samples: int, places: int, damping: float = 1.0) -> int:
    """Fit every convolution and matmul with constant weights, from the first to the last.

    Args:
        samples, places: of the data, and of each sample.
        damping: see ``Recover``.

    Returns:
        The number of layers that were fitted.
    """
    context = current()
    data = context.require_data("recovery compares layers over data")
    found = twins_of(graph, teacher.graph, (Conv, MatMul, BatchNorm))
    twins = {op: twin for op, twin in found.items() if _fits(op)}
    steps = Lockstep(graph, teacher.graph, twins, evenly(data, samples))
    count = 0
    for op, twin in context.progress(steps.layers(), "recovering", len(twins)):
        if not context.fuel.spend("recover", op):
            break
        x = op.operands[0]
        assert x is not None, "a layer reads something"
        wanted = teacher.wanted(op, steps.right.evaluate(bare(twin)))
        if isinstance(op, BatchNorm):
            if x.producer in twins:
                continue  # what it normalizes was fitted
            _restate(op, steps.own.arrays(x), wanted)
        else:
            assert isinstance(op, Conv | MatMul), "asked above"
            _fit(op, steps.own.arrays(x), wanted, places, damping)
        steps.own.compute(op)
        count += 1
    return count


def _fits(op: Op) -> bool:
    """A layer whose constants no other reads, with a constant bias or none."""
    if isinstance(op, BatchNorm):
        own = (op.gamma, op.beta, op.mean, op.var)
        return op.axis == 1 and all(isinstance(value, Constant) for value in own)
    if not isinstance(op, Conv | MatMul) or not is_supported(op):
        return False
    weights, bias = op.operands[1], op.operands[BIAS_SLOT]
    if isinstance(op, MatMul) and op.alpha != 1:
        return False
    if not isinstance(weights, Constant) or weights.use_count > 1:
        return False
    return bias is None or (isinstance(bias, Constant) and bias.type.rank == 1)


def _fit(op: Layer, inputs: list[Array], wanted: list[Array], places: int, damping: float) -> None:
    weights = op.operands[1]
    assert isinstance(weights, Constant), "asked before"
    assert op.graph is not None, "it is in the graph that is walked"
    old = rows_of(op, weights.array).astype(np.float64)
    moments = Moments(old.shape[0], old.shape[2], old.shape[1])
    gather(moments, op, inputs, wanted, places)
    fitted, spread = moments.fitted(old, LEAST_DAMPING + damping * old.shape[2] / moments.count)
    kept = old != 0
    if kept.mean() < 1 - SPARSE:
        fitted = on_support(fitted, spread, kept)
    rw = Rewriter(op.graph)
    array = unrows(op, fitted, weights.array.shape).astype(weights.array.dtype)
    rw.set_operand(op, 1, Constant(array, hint=weights.hint))
    bias = op.operands[BIAS_SLOT]
    hint = f"{op.result.hint}.bias" if bias is None else bias.hint
    offset = moments.offset(fitted).reshape(-1).astype(weights.array.dtype)
    rw.set_operand(op, BIAS_SLOT, Constant(offset, hint=hint))


def _restate(op: BatchNorm, inputs: list[Array], wanted: list[Array]) -> None:
    """Mean and variance with which the results have those of the wanted ones, per channel."""
    assert isinstance(op.gamma, Constant), "asked before"
    assert isinstance(op.beta, Constant), "asked before"
    assert op.graph is not None, "it is in the graph that is walked"
    mean, spread = _statistics(inputs)
    wanted_mean, wanted_spread = _statistics(wanted)
    gamma, beta = (value.array.astype(np.float64) for value in (op.gamma, op.beta))
    alive = (np.abs(gamma) > SMALLEST) & (wanted_spread > SMALLEST) & (spread > SMALLEST)
    gamma, wanted_spread = np.where(alive, gamma, 1), np.where(alive, wanted_spread, 1)
    scale = np.abs(gamma) * spread / wanted_spread
    centre = mean - (wanted_mean - beta) * scale / gamma
    variance = np.maximum(scale**2 - op.eps, 0)
    rw = Rewriter(op.graph)
    for slot, (name, made) in enumerate((("mean", centre), ("var", variance)), start=3):
        old = op.operands[slot]
        assert isinstance(old, Constant), "asked before"
        array = np.where(alive, made, old.array).astype(old.array.dtype)
        rw.set_operand(op, slot, Constant(array, hint=old.hint or name))


def _statistics(arrays: list[Array]) -> tuple[Array, Array]:
    """Mean and standard deviation of each channel along axis 1, over samples and places."""
    axes = tuple(i for i in range(arrays[0].ndim) if i != 1)
    means = np.mean([a.mean(axis=axes, dtype=np.float64) for a in arrays], axis=0)
    squares = np.mean([np.square(a, dtype=np.float64).mean(axis=axes) for a in arrays], axis=0)
    return means, np.sqrt(np.maximum(squares - means**2, 0))
