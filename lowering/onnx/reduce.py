"""ONNX's reductions, and its pooling over whole images."""

from __future__ import annotations

from collections.abc import Mapping

from edgec.ir import Ints, Value
from edgec.ir.ops import (
    Dequantize,
    Reduce,
    ReduceL1,
    ReduceL2,
    ReduceLogSum,
    ReduceLogSumExp,
    ReduceMax,
    ReduceMean,
    ReduceMin,
    ReduceProd,
    ReduceSum,
    ReduceSumSquare,
)
from edgec.ir.ops.common import normalized_axes
from edgec.lowering.onnx.node import READERS, Node, Unsupported
from edgec.lowering.onnx.typed import typed_node
from edgec.lowering.onnx.writer import WRITERS, Writer

CLASSES: Mapping[str, type[Reduce]] = {
    "ReduceL1": ReduceL1,
    "ReduceL2": ReduceL2,
    "ReduceLogSum": ReduceLogSum,
    "ReduceLogSumExp": ReduceLogSumExp,
    "ReduceMax": ReduceMax,
    "ReduceMean": ReduceMean,
    "ReduceMin": ReduceMin,
    "ReduceProd": ReduceProd,
    "ReduceSum": ReduceSum,
    "ReduceSumSquare": ReduceSumSquare,
}
NAMES = {cls: name for name, cls in CLASSES.items()}
GLOBAL_POOLS: Mapping[str, type[Reduce]] = {
    "GlobalAveragePool": ReduceMean,
    "GlobalMaxPool": ReduceMax,
}
GLOBAL_NAMES = {cls: name for name, cls in GLOBAL_POOLS.items()}
_SAME_OVER_NOTHING = (ReduceMax, ReduceMean, ReduceMin, ReduceProd, ReduceSum)


def _axes_are_inputs(op_type: str, opset: int) -> bool:
    return opset >= (13 if op_type == "ReduceSum" else 18)


@READERS.rule(*CLASSES)
def read_reduce(node: Node) -> Value:
    """No axes mean all of them, or none with ``noop_with_empty_axes``."""
    x, cls = node.input(0), CLASSES[node.op_type]
    axes = _axes(node)
    if not axes and node.int("noop_with_empty_axes", 0):
        if cls in _SAME_OVER_NOTHING:
            return x
    elif not axes:
        axes = tuple(range(x.type.rank))
    return node.add(cls(x, axes=axes, keepdims=bool(node.int("keepdims", 1)))).result


def _axes(node: Node) -> Ints:
    rank = node.input(0).type.rank
    if not _axes_are_inputs(node.op_type, node.opset):
        return tuple(sorted(normalized_axes(node.ints("axes", ()), rank)))
    if node.optional(1) is None:
        return ()
    return tuple(sorted(normalized_axes(node.constant_ints(1, "axes"), rank)))


@WRITERS.rule(*NAMES)
def write_reduce(op: Reduce, w: Writer) -> None:
    spatial = tuple(range(2, op.x.type.rank))
    pool = GLOBAL_NAMES.get(type(op))
    if pool and spatial and op.axes == spatial and op.x.type.dtype.is_float:
        if op.keepdims:
            typed_node(w, pool, [op.x], op.result)
            return
        if isinstance(op.x.producer, Dequantize):
            _write_pool_and_reshape(pool, op, w)
            return
    name, keepdims = NAMES[type(op)], None if op.keepdims else 0
    if not op.axes:
        _write_over_nothing(op, w)
    elif _axes_are_inputs(name, w.opset):
        typed_node(w, name, [op.x, w.ints(op.axes, "axes")], op.result, keepdims=keepdims)
    else:
        typed_node(w, name, [op.x], op.result, axes=op.axes, keepdims=keepdims)


def _write_pool_and_reshape(pool: str, op: Reduce, w: Writer) -> None:
    """On integers onnxruntime has the pool but not the reduction; before a reshape it also finds it
    (before Flatten it does not). On floats it takes either in the same time, and one is a node."""
    pooled = w.temporary(f"{op.result.hint or 'value'}.pooled")
    w.node(pool, [op.x], [pooled])
    w.node("Reshape", [pooled, w.ints((0, -1), "matrix")], op.results)


def _write_over_nothing(op: Reduce, w: Writer) -> None:
    """As the elementwise function that it is: opset 17 cannot say it, runtimes differ on it."""
    if isinstance(op, ReduceSumSquare):
        typed_node(w, "Mul", [op.x, op.x], op.result)
    else:
        typed_node(w, _OF_ONE_ELEMENT.get(type(op), "Identity"), [op.x], op.result)


_OF_ONE_ELEMENT = {ReduceL1: "Abs", ReduceL2: "Abs", ReduceLogSum: "Log"}


@READERS.rule(*GLOBAL_POOLS)
def read_global_pool(node: Node) -> Value:
    x = node.input(0)
    if x.type.rank < 3:
        raise Unsupported(f"{node.op_type} wants spatial axes, found {x.type}")
    axes = tuple(range(2, x.type.rank))
    return node.add(GLOBAL_POOLS[node.op_type](x, axes=axes)).result
