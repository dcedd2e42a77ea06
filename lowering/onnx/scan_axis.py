"""ONNX's ArgMax and ArgMin, CumSum and CumProd."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgec.ir import Value
from edgec.ir.ops import ArgExtreme, ArgMax, ArgMin, CumProd, CumSum, Running
from edgec.ir.ops.common import normalized_axis
from edgec.lowering.onnx.node import READERS, Node
from edgec.lowering.onnx.typed import typed_node
from edgec.lowering.onnx.writer import FIRST_OPSETS, WRITERS, Writer

EXTREMES: Mapping[str, type[ArgExtreme]] = {"ArgMax": ArgMax, "ArgMin": ArgMin}
RUNNING: Mapping[str, type[Running]] = {"CumSum": CumSum, "CumProd": CumProd}
NAMES = {cls: name for name, cls in (*EXTREMES.items(), *RUNNING.items())}
FIRST_OPSETS[CumProd] = lambda op: 26


@READERS.rule(*EXTREMES)
def read_arg_extreme(node: Node) -> Value:
    x = node.input(0)
    op = EXTREMES[node.op_type](
        x,
        axis=normalized_axis(node.int("axis", 0), x.type.rank),
        keepdims=bool(node.int("keepdims", 1)),
        last=bool(node.int("select_last_index", 0)),
    )
    return node.add(op).result


@WRITERS.rule(ArgMax, ArgMin)
def write_arg_extreme(op: ArgExtreme, w: Writer) -> None:
    typed_node(
        w, NAMES[type(op)], [op.x], op.result,
        axis=op.axis or None,
        keepdims=None if op.keepdims else 0,
        select_last_index=1 if op.last else None,
    )  # fmt: skip


@READERS.rule(*RUNNING)
def read_running(node: Node) -> Value:
    x = node.input(0)
    (axis,) = node.constant_ints(1, "axis")
    op = RUNNING[node.op_type](
        x,
        axis=normalized_axis(axis, x.type.rank),
        exclusive=bool(node.int("exclusive", 0)),
        reverse=bool(node.int("reverse", 0)),
    )
    return node.add(op).result


@WRITERS.rule(CumSum, CumProd)
def write_running(op: Running, w: Writer) -> None:
    axis = w.const(np.asarray(op.axis, dtype=np.int64), hint="axis")
    typed_node(
        w, NAMES[type(op)], [op.x, axis], op.result,
        exclusive=1 if op.exclusive else None, reverse=1 if op.reverse else None,
    )  # fmt: skip
