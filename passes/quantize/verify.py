"""The rules of ``safety``, checked on a graph: one finding per violation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgec.ir import Constant, Finding, Graph, Op, QuantScheme, Role, print_op
from edgec.ir.ops import Conv, ConvTranspose, Dequantize, MatMul, Quantize
from edgec.passes.quantize.existing import grid_in
from edgec.passes.quantize.grids import SMALLEST_SCALE
from edgec.passes.quantize.layers import has_scale, read_weights
from edgec.passes.quantize.safety import LARGEST_BIAS, LARGEST_SUM, worst_sums
from edgec.passes.quantize.slots import BIAS_SLOT, activation_slots

LAYERS = (Conv, ConvTranspose, MatMul)


def violations(graph: Graph, scheme: QuantScheme) -> Iterator[Finding]:
    """Everything in the graph that integers cannot hold, or that runtimes would compute wrongly."""
    for op in graph.walk:
        if isinstance(op, Quantize | Dequantize):
            yield from _parameters(op)
        elif isinstance(op, LAYERS):
            yield from _layer(op, scheme)
        yield from _ties(op, scheme)


def _parameters(op: Quantize | Dequantize) -> Iterator[Finding]:
    if not isinstance(op.scale, Constant):
        return
    scales = op.scale.array.astype(np.float64)
    if not np.all(np.isfinite(scales) & (scales >= SMALLEST_SCALE)):
        yield _about(op, "a scale is no positive, finite, normal float32")
    stored = op.to if isinstance(op, Quantize) else op.x.type.dtype
    if stored.is_float or not isinstance(op.zero_point, Constant):
        return
    least, greatest = stored.limits
    points = op.zero_point.array.astype(np.int64)
    if not np.all((points >= least) & (points <= greatest)):
        yield _about(op, f"a zero point lies outside {least}…{greatest}")


def _layer(op: Op, scheme: QuantScheme) -> Iterator[Finding]:
    found = read_weights(op, scheme)
    if found is None:
        return
    sums = worst_sums(found.rows, found.x)
    bias = op.operands[BIAS_SLOT]
    read = None if bias is None else bias.producer
    if isinstance(read, Dequantize) and isinstance(read.x, Constant):
        stored = np.abs(read.x.array.astype(np.float64)).reshape(-1)
        if np.any(stored > LARGEST_BIAS):
            yield _about(op, "the bias leaves no room in 32 bits for the sum")
        if not has_scale(read, found.bias_scales):
            yield _about(op, "the bias has another scale than the sum that it is added to")
        sums = sums + stored.reshape(-1, len(sums)).max(axis=0) if stored.size else sums
    if np.any(sums > LARGEST_SUM):
        yield _about(op, "the worst sum of products leaves 32 bits")


def _ties(op: Op, scheme: QuantScheme) -> Iterator[Finding]:
    role = scheme.role(op) if op.operands else None
    if role not in (Role.SAME, Role.TIED):
        return
    read = [op.operands[slot] for slot in activation_slots(op, role)]
    grids = {
        grid_in(value.producer, value.producer.x.type.dtype)
        for value in read
        if value is not None and isinstance(value.producer, Dequantize)
    }
    stored = {
        grid_in(user, user.to)
        for result in op.results
        for user in result.users
        if isinstance(user, Quantize) and len(result.users) == 1
    }
    if grids and stored and None not in grids | stored and len(grids | stored) > 1:
        yield _about(op, "operands and results must share one scale, and do not")


def _about(op: Op, message: str) -> Finding:
    source = f", from {', '.join(op.loc)}" if op.loc else ""
    return Finding(message, f"{print_op(op).splitlines()[0]}{source}")
