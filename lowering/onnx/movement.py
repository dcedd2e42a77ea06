"""ONNX ops that move elements."""

from __future__ import annotations

import numpy as np

from edgec.ir import Ints, Value, known_ints
from edgec.ir.ops import (
    Concat,
    DepthToSpace,
    Expand,
    Pad,
    ReverseSequence,
    Slice,
    SpaceToDepth,
    Split,
    Tile,
    Transpose,
)
from edgec.ir.ops.common import channel_axis, normalized_axes, normalized_axis
from edgec.lowering.onnx import col2im as _col2im  # noqa: F401  (fills the tables)
from edgec.lowering.onnx import reshape as _reshape  # noqa: F401
from edgec.lowering.onnx.layouts import write_channels_first
from edgec.lowering.onnx.node import READERS, Node, Read, Unsupported
from edgec.lowering.onnx.typed import first_opset, typed_node
from edgec.lowering.onnx.writer import FIRST_OPSETS, WRITERS, CannotWrite, Writer

FIRST_OPSETS[Transpose] = lambda op: first_opset("Transpose", [op.x])
FIRST_OPSETS[Concat] = lambda op: first_opset("Concat", op.xs[:1])
FIRST_OPSETS[Slice] = lambda op: first_opset("Slice", [op.x])
FIRST_OPSETS[Pad] = lambda op: max(first_opset("Pad", [op.x]), 19 if op.mode == "wrap" else 0)


@READERS.rule("Transpose")
def read_transpose(node: Node) -> Value:
    x = node.input(0)
    perm = node.ints("perm", range(x.type.rank)[::-1])
    return node.add(Transpose(x, perm=perm)).result


@WRITERS.rule(Transpose)
def write_transpose(op: Transpose, w: Writer) -> None:
    w.node("Transpose", [op.x], op.results, perm=op.perm)


@READERS.rule("Concat")
def read_concat(node: Node) -> Value:
    xs = node.present()
    if not xs:
        raise Unsupported("there is nothing to concatenate")
    axis = normalized_axis(node.int("axis"), xs[0].type.rank)
    return node.add(Concat(tuple(xs), axis=axis)).result


@WRITERS.rule(Concat)
def write_concat(op: Concat, w: Writer) -> None:
    w.node("Concat", op.xs, op.results, axis=op.axis)


@READERS.rule("Expand")
def read_expand(node: Node) -> Value:
    return node.add(Expand(node.input(0), node.input(1))).result


@WRITERS.rule(Expand)
def write_expand(op: Expand, w: Writer) -> None:
    typed_node(w, "Expand", [op.x, op.shape], op.result)


@READERS.rule("Tile")
def read_tile(node: Node) -> Value:
    return node.add(Tile(node.input(0), node.input(1))).result


@WRITERS.rule(Tile)
def write_tile(op: Tile, w: Writer) -> None:
    typed_node(w, "Tile", [op.x, op.repeats], op.result)


@READERS.rule("Slice")
def read_slice(node: Node) -> Value:
    """Attributes before opset 10, inputs since then."""
    x = node.input(0)
    if node.opset < 10:
        starts, ends = (node.const(node.ints(name), np.int64) for name in ("starts", "ends"))
        axes = normalized_axes(node.ints("axes", range(starts.array.size)), x.type.rank)
        return node.add(Slice(x, starts, ends, axes=axes)).result
    if node.optional(3) is not None:
        axes = node.constant_ints(3, "axes")
    else:
        axes = tuple(range(_length(node.input(1))))
    axes = normalized_axes(axes, x.type.rank)
    return node.add(Slice(x, node.input(1), node.input(2), node.optional(4), axes=axes)).result


def _length(value: Value) -> int:
    (length,) = value.type.dims if value.type.rank == 1 else (None,)
    if not isinstance(length, int):
        raise Unsupported(f"starts want one dimension of known size, found {value.type}")
    return length


@WRITERS.rule(Slice)
def write_slice(op: Slice, w: Writer) -> None:
    wide = op.starts.type.dtype.numpy  # ONNX wants one type for starts, ends, axes and steps
    axes = w.const(np.asarray(op.axes, dtype=wide), hint="axes")
    typed_node(w, "Slice", [op.x, op.starts, op.ends, axes, op.steps], op.result)


@READERS.rule("Pad")
def read_pad(node: Node) -> Value:
    """Attributes before opset 11, inputs since then."""
    x, mode = node.input(0), node.string("mode", "constant")
    if node.opset < 11:
        pads: Value = node.const(node.ints("pads"), np.int64)
        fill = node.float("value", 0.0)
        value: Value | None = node.const(fill, x.type.dtype.numpy) if fill else None
        axes = None
    else:
        pads, value = node.input(1), node.optional(2)
        axes = None if node.optional(3) is None else node.constant_ints(3, "axes")
    if mode != "constant":
        value = None
    if axes is not None:
        axes = normalized_axes(axes, x.type.rank)
        axes = None if axes == tuple(range(x.type.rank)) else axes
    return node.add(Pad(x, pads, value, mode=mode, axes=axes)).result


@WRITERS.rule(Pad)
def write_pad(op: Pad, w: Writer) -> None:
    mode = None if op.mode == "constant" else op.mode
    if op.axes is None or w.opset >= 18:
        axes = None if op.axes is None else w.ints(op.axes, "axes")
        w.node("Pad", [op.x, op.pads, op.value, axes], op.results, mode=mode)
        return
    w.node("Pad", [op.x, _pads_of_all_axes(op, w), op.value], op.results, mode=mode)


def _pads_of_all_axes(op: Pad, w: Writer) -> str:
    pads = known_ints(op.pads)
    if pads is None:
        raise CannotWrite(f"Pad takes axes since opset 18, found {w.opset}")
    rank, count = op.x.type.rank, len(op.padded_axes)
    full = [0] * (2 * rank)
    for i, axis in enumerate(op.padded_axes):
        full[axis], full[axis + rank] = pads[i], pads[i + count]
    return w.ints(full, "pads")


@READERS.rule("Split")
def read_split(node: Node) -> Read:
    """Sizes are an attribute before opset 13, an input since then."""
    x = node.input(0)
    axis = normalized_axis(node.int("axis", 0), x.type.rank)
    sizes = _split_sizes(node)
    if sizes is None:
        op = Split(x, axis=axis, parts=node.int("num_outputs", len(node.outputs)))
    else:
        op = Split(x, axis=axis, sizes=sizes)
    return node.add(op).results


def _split_sizes(node: Node) -> Ints | None:
    if node.opset < 13:
        return node.ints("split") if node.has("split") else None
    return None if node.optional(1) is None else node.constant_ints(1, "split")


@WRITERS.rule(Split)
def write_split(op: Split, w: Writer) -> None:
    if op.sizes is not None:
        w.node("Split", [op.x, w.ints(op.sizes, "split")], op.results, axis=op.axis)
    elif w.opset >= 18:
        w.node("Split", [op.x], op.results, axis=op.axis, num_outputs=op.parts)
    elif op.x.type.dims[op.axis] % op.parts == 0:
        w.node("Split", [op.x], op.results, axis=op.axis)
    else:
        sizes = [dim for dim in op.part_dims if isinstance(dim, int)]
        if len(sizes) != op.parts:
            raise CannotWrite(f"Split makes uneven parts since opset 18, found {w.opset}")
        w.node("Split", [op.x, w.ints(sizes, "split")], op.results, axis=op.axis)


@READERS.rule("DepthToSpace")
def read_depth_to_space(node: Node) -> Value:
    mode = node.string("mode", "DCR").lower()
    return node.add(DepthToSpace(node.input(0), block=node.int("blocksize"), mode=mode)).result


@WRITERS.rule(DepthToSpace)
def write_depth_to_space(op: DepthToSpace, w: Writer) -> None:
    mode = None if op.mode == "dcr" else op.mode.upper()
    write_channels_first(
        w, "DepthToSpace", op.x, [], op.results,
        layout=op.layout, blocksize=op.block, mode=mode,
    )  # fmt: skip


@READERS.rule("SpaceToDepth")
def read_space_to_depth(node: Node) -> Value:
    mode = node.string("mode", "DCR").lower()
    return node.add(SpaceToDepth(node.input(0), block=node.int("blocksize"), mode=mode)).result


@WRITERS.rule(SpaceToDepth)
def write_space_to_depth(op: SpaceToDepth, w: Writer) -> None:
    dcr = op.result if op.mode == "dcr" else w.temporary("depth")
    write_channels_first(w, "SpaceToDepth", op.x, [], [dcr], layout=op.layout, blocksize=op.block)
    if op.mode == "crd":
        axis = channel_axis(op.layout) % 4
        channels = op.x.type.dims[axis]
        if not isinstance(channels, int):
            raise CannotWrite("SpaceToDepth in the mode CRD wants a known number of channels")
        order = np.arange(channels * op.block**2).reshape(-1, channels).T.reshape(-1)
        w.node("Gather", [dcr, w.ints(order.tolist(), "order")], op.results, axis=axis)


@READERS.rule("ReverseSequence")
def read_reverse_sequence(node: Node) -> Value:
    x = node.input(0)
    time, batch = (
        normalized_axis(node.int(name, default), x.type.rank)
        for name, default in (("time_axis", 0), ("batch_axis", 1))
    )
    return node.add(ReverseSequence(x, node.input(1), time_axis=time, batch_axis=batch)).result


@WRITERS.rule(ReverseSequence)
def write_reverse_sequence(op: ReverseSequence, w: Writer) -> None:
    w.node(
        "ReverseSequence", [op.x, op.lens], op.results,
        time_axis=op.time_axis, batch_axis=op.batch_axis,
    )  # fmt: skip
