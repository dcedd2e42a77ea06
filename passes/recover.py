"""Recovery without labels: each layer is fitted again to what it gave in the original model.

The original is the teacher, layer by layer (He et al. 2017, arXiv:1707.06168, section 3.2): least
squares over calibration data, from what the layer reads now to what it gave then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from edgec.ir import Array, Code, Constant, Error, Graph, Op, Rewriter
from edgec.ir.ops import BatchNorm, Conv, MatMul
from edgec.kernels import PerSample
from edgec.passes.base import Pass
from edgec.passes.context import current
from edgec.passes.promise import Lossy
from edgec.passes.reconstruct import (
    Lockstep,
    Target,
    Teacher,
    bare,
    evenly,
    fit,
    on_support,
    rows_of,
    target_of,
    twins_of,
    unrows,
)
from edgec.passes.reconstruct.patches import Layer, is_supported

BIAS_SLOT = 2
SMALLEST = 1e-12
SPARSE = 0.2  # a layer with that share of zeros keeps them


@dataclass(frozen=True)
class Recover(Pass):
    """Fit the layers of a smaller model to what they gave in the original, without labels.

    From the first to the last, each on what the fitted layers before it give, over ``samples``
    samples of the data at ``places`` places of each. Where a sum follows, a layer also makes good
    what the other side of the sum lacks; what its activation hides is no loss; and the parts of a
    factorized layer are fitted as one. Weights are drawn towards what they were by ``damping``
    times the inputs' variance; 0 tries several on samples that were not fitted. Batch
    normalization that is left gets the means and variances of the original's results, and zeros of
    sparse layers stay. Runs after prune, factorize, drop-blocks or sparsify in one pipeline; layers
    on integers are repaired by bias-correct or adaround.
    """

    name = "recover"
    promise = Lossy("sqnr_db", 0.0)

    samples: int = 64
    places: int = 128
    damping: float = 0.0

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


def recover(graph: Graph, teacher: Teacher, samples: int, places: int, damping: float = 0.0) -> int:
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
    pairs = _pairs(graph, twins)
    twins |= {first: twins[last] for first, last in pairs.items()}
    steps = Lockstep(graph, teacher.graph, twins, evenly(data, samples))
    count = 0
    for op, twin in context.progress(steps.layers(), "recovering", len(twins)):
        if not context.fuel.spend("recover", op):
            break
        x = op.operands[0]
        assert x is not None, "a layer reads something"
        inputs = steps.own.arrays(x)
        if isinstance(op, BatchNorm):
            if x.producer in twins:
                continue  # what it normalizes was fitted
            _restate(op, inputs, teacher.wanted(op, steps.right.evaluate(bare(twin))))
        elif op in pairs:
            assert isinstance(op, Conv | MatMul), "as pairs are found"
            target = target_of(pairs[op], twin, teacher, steps)
            _fit_pair(op, pairs[op], inputs, target, places, damping)
        else:
            assert isinstance(op, Conv | MatMul), "asked above"
            _fit(op, inputs, target_of(op, twin, teacher, steps), places, damping)
        steps.own.compute(op)
        count += 1
    return count


def _pairs(graph: Graph, twins: Mapping[Op, Op]) -> dict[Op, Layer]:
    """Layers without a twin that only a pointwise layer with one reads: the parts of a layer."""
    found: dict[Op, Layer] = {}
    for op in graph.ops_of(Conv, MatMul):
        assert isinstance(op, Conv | MatMul), "asked for"
        if op in twins or op.result.use_count != 1 or not _is_part(op):
            continue
        last = next(iter(op.result.users))
        if last in twins and isinstance(last, Conv | MatMul) and _is_pointwise(last, op):
            found[op] = last
    return found


def _is_part(op: Layer) -> bool:
    plain = op.act == "none" and op.operands[BIAS_SLOT] is None and _fits(op)
    return plain and (isinstance(op, MatMul) or op.groups == 1)


def _is_pointwise(last: Layer, op: Layer) -> bool:
    if last.operands[0] is not op.result or type(last) is not type(op):
        return False
    if isinstance(last, MatMul):
        return True
    window = last.window
    ones = {*window.extents, *window.strides}
    return last.groups == 1 and ones == {1} and not any(last.pads)


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


def _fit(op: Layer, inputs: PerSample, target: Target, places: int, damping: float) -> None:
    old = _rows(op)
    kept = old != 0
    within = partial(_on_support, kept) if kept.mean() < 1 - SPARSE else _any
    found = fit(op, inputs, target, old, places, damping, within)
    _store(op, found.rows)
    _store_bias(op, found.offset)


def _fit_pair(
    op: Layer, last: Layer, inputs: PerSample, target: Target, places: int, damping: float
) -> None:
    """Two layers as one of low rank: the best of that rank on what they read (reduced-rank
    regression, Izenman 1975)."""
    ends = _rows(last)[0]
    whole = (ends @ _rows(op)[0])[np.newaxis]
    rank = ends.shape[1]
    found = fit(op, inputs, target, whole, places, damping, partial(_of_rank, rank))
    left = _leading(found.rows[0], found.inputs[0], rank)
    _store(op, (left.T @ found.rows[0])[np.newaxis])
    _store(last, left[np.newaxis])
    _store_bias(last, found.offset)


def _of_rank(rank: int, rows: Array, inputs: Array) -> Array:
    left = _leading(rows[0], inputs[0], rank)
    return np.asarray((left @ (left.T @ rows[0]))[np.newaxis])


def _leading(rows: Array, inputs: Array, rank: int) -> Array:
    """The principal components of the outputs."""
    return np.asarray(np.linalg.eigh(rows @ inputs @ rows.T)[1][:, ::-1][:, :rank])


def _any(rows: Array, inputs: Array) -> Array:
    return rows


def _on_support(kept: Array, rows: Array, inputs: Array) -> Array:
    return on_support(rows, inputs, kept)


def _rows(op: Layer) -> Array:
    weights = op.operands[1]
    assert isinstance(weights, Constant), "asked before"
    return rows_of(op, weights.array).astype(np.float64)


def _store(op: Layer, rows: Array) -> None:
    weights = op.operands[1]
    assert isinstance(weights, Constant), "asked before"
    assert op.graph is not None, "it is in the graph that is walked"
    array = unrows(op, rows, weights.array.shape).astype(weights.array.dtype)
    Rewriter(op.graph).set_operand(op, 1, Constant(array, hint=weights.hint))


def _store_bias(op: Layer, offset: Array) -> None:
    weights, bias = op.operands[1], op.operands[BIAS_SLOT]
    assert weights is not None, "asked before"
    assert op.graph is not None, "it is in the graph that is walked"
    hint = f"{op.result.hint}.bias" if bias is None else bias.hint
    array = offset.reshape(-1).astype(weights.type.dtype.numpy)
    Rewriter(op.graph).set_operand(op, BIAS_SLOT, Constant(array, hint=hint))


def _restate(op: BatchNorm, inputs: PerSample, wanted: PerSample) -> None:
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


def _statistics(arrays: PerSample) -> tuple[Array, Array]:
    """Mean and standard deviation of each channel along axis 1, over samples and places."""
    axes = tuple(i for i in range(arrays.of(0).ndim) if i != 1)
    means = np.mean([a.mean(axis=axes, dtype=np.float64) for a in arrays], axis=0)
    squares = np.mean([np.square(a, dtype=np.float64).mean(axis=axes) for a in arrays], axis=0)
    return means, np.sqrt(np.maximum(squares - means**2, 0))
