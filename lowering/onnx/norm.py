"""ONNX normalization of channels."""

from __future__ import annotations

import numpy as np

from edgec.ir import Constant, Value
from edgec.ir.ops import (
    Add,
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    Mul,
    ReduceMean,
    Reshape,
    Sub,
)
from edgec.lowering.onnx import norm_axes as _norm_axes  # noqa: F401  (fills the tables)
from edgec.lowering.onnx.layouts import write_channels_first
from edgec.lowering.onnx.node import READERS, Node, Read, Unsupported
from edgec.lowering.onnx.typed import first_opset
from edgec.lowering.onnx.writer import FIRST_OPSETS, WRITERS, Operand, Writer

FIRST_OPSETS[BatchNorm] = lambda op: first_opset("BatchNormalization", op.operands)
FIRST_OPSETS[InstanceNorm] = lambda op: first_opset("InstanceNormalization", op.operands)
FIRST_OPSETS[GroupNorm] = lambda op: min(first_opset("InstanceNormalization", op.operands), 21)


@READERS.rule("BatchNormalization")
def read_batch_norm(node: Node) -> Read:
    if node.int("spatial", 1) != 1:
        raise Unsupported("spatial=0 normalizes each position by itself", "export with spatial=1")
    if node.opset < 7 and not node.int("is_test", 0):
        raise Unsupported("is_test=0 normalizes by the batch's statistics, to train", "is_test=1")
    if node.int("training_mode", 0):
        return _read_training(node)
    if any(node.wants(index) for index in range(1, len(node.outputs))):
        raise Unsupported("updated statistics are for training", "export for inference")
    x, eps = node.input(0), node.float("epsilon", 1e-5)
    gamma, beta, mean, var = (node.input(index) for index in range(1, 5))
    if x.type.rank > 1:
        return node.add(BatchNorm(x, gamma, beta, mean, var, eps=eps)).result
    rows = node.add(Reshape(x, to=(*x.type.dims, 1))).result
    normal = node.add(BatchNorm(rows, gamma, beta, mean, var, eps=eps)).result
    return node.add(Reshape(normal, to=x.type.dims)).result


def _read_training(node: Node) -> list[Value]:
    """The statistics of this batch normalize, and move the running ones."""
    x, gamma, beta, mean, var = (node.input(index) for index in range(5))
    momentum, eps = node.float("momentum", 0.9), node.float("epsilon", 1e-5)
    others = tuple(axis for axis in range(x.type.rank) if axis != 1)
    batch_mean = node.add(ReduceMean(x, axes=others, keepdims=True)).result
    centered = node.add(Sub(x, batch_mean)).result
    square = node.add(Mul(centered, centered)).result
    own_mean = node.add(ReduceMean(x, axes=others, keepdims=False)).result
    own_var = node.add(ReduceMean(square, axes=others, keepdims=False)).result
    y = node.add(BatchNorm(x, gamma, beta, own_mean, own_var, eps=eps)).result
    return [y, _blend(node, mean, own_mean, momentum), _blend(node, var, own_var, momentum)]


def _blend(node: Node, old: Value, new: Value, momentum: float) -> Value:
    dtype = old.type.dtype.numpy
    kept = node.add(Mul(old, node.const(momentum, dtype))).result
    added = node.add(Mul(new, node.const(1 - momentum, dtype))).result
    return node.add(Add(kept, added)).result


@WRITERS.rule(BatchNorm)
def write_batch_norm(op: BatchNorm, w: Writer) -> None:
    parameters = [op.gamma, op.beta, op.mean, op.var]
    if op.axis == 1:
        w.node("BatchNormalization", [op.x, *parameters], op.results, epsilon=op.eps)
        return
    rank = op.x.type.rank
    others = [axis for axis in range(rank) if axis != op.axis]
    there = [others[0], op.axis, *others[1:]]
    back = [there.index(axis) for axis in range(rank)]
    moved, normal = w.temporary("channels_second"), w.temporary("channels_second")
    w.node("Transpose", [op.x], [moved], perm=there)
    w.node("BatchNormalization", [moved, *parameters], [normal], epsilon=op.eps)
    w.node("Transpose", [normal], op.results, perm=back)


@READERS.rule("InstanceNormalization")
def read_instance_norm(node: Node) -> Value:
    x, gamma, beta = node.input(0), node.input(1), node.input(2)
    return node.add(InstanceNorm(x, gamma, beta, eps=node.float("epsilon", 1e-5))).result


@WRITERS.rule(InstanceNorm)
def write_instance_norm(op: InstanceNorm, w: Writer) -> None:
    write_channels_first(
        w, "InstanceNormalization", op.x, [op.gamma, op.beta], op.results,
        layout=op.layout, epsilon=op.eps,
    )  # fmt: skip


@READERS.rule("GroupNormalization")
def read_group_norm(node: Node) -> Read:
    x, groups = node.input(0), node.int("num_groups")
    gamma, beta = node.input(1), node.input(2)
    if node.opset < 21:  # one factor per group
        channels = x.type.dims[1]
        if not isinstance(channels, int) or groups < 1 or channels % groups:
            raise Unsupported(f"{channels} channels do not split into {groups} groups")
        gamma, beta = (_per_channel(node, value, channels // groups) for value in (gamma, beta))
    op = GroupNorm(x, gamma, beta, groups=groups, eps=node.float("epsilon", 1e-5))
    return node.add(op).result


def _per_channel(node: Node, per_group: Value, count: int) -> Value:
    """Each element ``count`` times."""
    if isinstance(per_group, Constant):
        return node.const(np.repeat(per_group.array, count))
    groups = per_group.type.dims[0]
    column = node.add(Reshape(per_group, to=(groups, 1))).result
    ones = node.const(np.ones((1, count), per_group.type.dtype.numpy))
    return node.add(Reshape(node.add(Mul(column, ones)).result, to=(groups * count,))).result


@WRITERS.rule(GroupNorm)
def write_group_norm(op: GroupNorm, w: Writer) -> None:
    """Before opset 21: each group is an instance of one channel, then scaled per channel."""
    operands = [op.x, op.gamma, op.beta]
    if w.opset >= 21:
        w.node("GroupNormalization", operands, op.results, num_groups=op.groups, epsilon=op.eps)
        return
    dtype, rank = op.x.type.dtype, op.x.type.rank
    split, normal, joined, scaled = (
        w.temporary(name) for name in ("groups", "standardized", "joined", "scaled")
    )
    w.node("Reshape", [op.x, w.ints((0, op.groups, -1))], [split])
    ones, zeros = w.const([1] * op.groups, dtype), w.const([0] * op.groups, dtype)
    w.node("InstanceNormalization", [split, ones, zeros], [normal], epsilon=op.eps)
    w.node("Reshape", [normal, _dims(op.x, w)], [joined])
    gamma, beta = (_along_channels(value, rank, w) for value in (op.gamma, op.beta))
    w.node("Mul", [joined, gamma], [scaled])
    w.node("Add", [scaled, beta], op.results)


def _dims(x: Value, w: Writer) -> Operand:
    """The dims of x, for a reshape of what has the same first one."""
    known = [dim if isinstance(dim, int) else -1 for dim in x.type.dims]
    if known[0] < 0:
        known[0] = 0  # taken over
    if known.count(-1) <= 1:
        return w.ints(known)
    dims = w.temporary("dims")
    w.node("Shape", [x], [dims])
    return dims


def _along_channels(value: Value, rank: int, w: Writer) -> Operand:
    """[C] as [C, 1, …] so that it broadcasts along axis 1 of that rank."""
    ones = (1,) * (rank - 2)
    if not ones:
        return value
    if isinstance(value, Constant):
        return w.const(value.array.reshape(-1, *ones), hint=value.hint or "const")
    column = w.temporary("column")
    w.node("Reshape", [value, w.ints((-1, *ones))], [column])
    return column
