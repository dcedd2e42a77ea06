"""Convolutions and matmuls that can be taken apart, and putting the parts in their place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from edgec.ir import Array, Builder, Constant, Graph, Op, Rewriter, Value
from edgec.ir.ops import Conv, MatMul, Relu
from edgec.passes.factorize.ways import Part
from edgec.passes.reconstruct import rows_of
from edgec.passes.reconstruct.patches import is_supported

Layer: TypeAlias = Conv | MatMul


def layers_of(graph: Graph) -> Iterator[Layer]:
    """Those with constant float weights that all outputs share all inputs of."""
    for op in graph.ops_of(Conv, MatMul):
        assert isinstance(op, Conv | MatMul), "asked for"
        weights = op.operands[1]
        if not is_supported(op) or not isinstance(weights, Constant):
            continue
        if not weights.type.dtype.is_float or min(weights.array.shape[:2]) < 2:
            continue
        if isinstance(op, Conv) and (op.groups > 1 or op.auto_pad != "explicit"):
            continue
        yield op


def tensor_of(op: Layer) -> Array:
    """The weights as [outputs, inputs, *kernel], float64."""
    weights = op.operands[1]
    assert isinstance(weights, Constant), "how layers are found"
    if isinstance(op, MatMul):
        return np.asarray(rows_of(op, weights.array)[0], np.float64)
    return weights.array.astype(np.float64)


def put(op: Layer, parts: Sequence[Part], rw: Rewriter) -> Op:
    """The parts in a row, reading what the layer reads; the last one, which is returned, adds the
    layer's bias and activation, and has its result's type."""
    x = op.operands[0]
    assert x is not None, "a layer reads something"
    last = len(parts) - 1
    made: Op = op
    for index, part in enumerate(parts):
        ends: dict[str, Any] = {"act": "none", "act_params": (), "bias": None}
        if index == last:
            ends = {"types": [op.result.type]}
        change = _conv(op, part) if isinstance(op, Conv) else _matmul(op, part)
        made = rw.add(_copied(op, x, change | ends))
        made.result.hint = op.result.hint if index == last else f"{op.result.hint}.part{index}"
        x = made.result
    return made


def alone(op: Layer, parts: Sequence[Part] | None) -> tuple[Graph, list[Op]]:
    """A graph of the layer, or its parts, between two others that the device keeps on the chip, and
    the ops that stand for it there."""
    b = Builder("layer")
    x = op.operands[0]
    assert x is not None, "a layer reads something"
    inside = b.add(Relu(b.add_input("x", x.type))).result
    bias = op.operands[2]
    held = None if bias is None else _held(bias, b)
    weights = op.operands[1]
    assert weights is not None, "a layer has weights"
    slot = "w" if isinstance(op, Conv) else "b"
    twin = b.add(_copied(op, inside, {"bias": held, slot: _held(weights, b)}))
    made: list[Op] = [twin]
    last: Value = twin.result
    if parts is not None:
        rw = Rewriter(b.graph)
        before = set(b.graph.ops)
        assert isinstance(twin, Conv | MatMul), "a copy of one"
        end = put(twin, parts, rw)
        made = [one for one in b.graph.ops if one not in before]
        last = end.result
    graph = b.output(y=b.add(Relu(last)).result)
    if parts is not None:
        Rewriter(graph).erase(twin)
    return graph, made


def _held(value: Value, b: Builder) -> Value:
    """The same in another graph."""
    if isinstance(value, Constant):
        return Constant(value.weight, hint=value.hint, type=value.type)
    return b.add_input("bias", value.type)


def _copied(op: Layer, x: Value, change: dict[str, Any]) -> Op:
    return op.copy(**{"x" if isinstance(op, Conv) else "a": x, **change})


def _constant(op: Layer, array: Array) -> Constant:
    weights = op.operands[1]
    assert isinstance(weights, Constant), "how layers are found"
    made = np.ascontiguousarray(array).astype(weights.type.dtype.numpy)
    return Constant(made, hint=weights.hint)


def _matmul(op: MatMul, part: Part) -> dict[str, Any]:
    return {"b": _constant(op, part.weights.T), "transpose_b": False}


def _conv(op: Conv, part: Part) -> dict[str, Any]:
    """The part takes stride, padding and dilation along its own axes."""
    window = op.window
    axes = window.axes
    begins, ends = op.pads[:axes] or (0,) * axes, op.pads[axes:] or (0,) * axes

    def own(numbers: Sequence[int], other: int) -> tuple[int, ...]:
        return tuple(n if axis in part.axes else other for axis, n in enumerate(numbers))

    return {
        "w": _constant(op, part.weights),
        "stride": own(window.strides, 1),
        "pads": (*own(begins, 0), *own(ends, 0)),
        "dilation": own(window.dilations, 1),
        "groups": len(part.weights) if part.depthwise else 1,
    }
