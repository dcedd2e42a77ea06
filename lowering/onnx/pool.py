"""ONNX pooling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgec.ir import Value
from edgec.ir.ops import (
    AvgPool,
    LpPool,
    MaxPool,
    MaxRoiPool,
    MaxUnpool,
    ReduceL1,
    ReduceL2,
    RoiAlign,
)
from edgec.ir.ops.pool import Pool
from edgec.lowering.onnx.layouts import write_channels_first
from edgec.lowering.onnx.node import READERS, Node, Read, Unsupported
from edgec.lowering.onnx.typed import first_opset
from edgec.lowering.onnx.windows import read_padding, write_padding
from edgec.lowering.onnx.writer import FIRST_OPSETS, WRITERS, Writer

FIRST_OPSETS[MaxPool] = lambda op: first_opset("MaxPool", op.operands)
FIRST_OPSETS[AvgPool] = lambda op: max(
    first_opset("AveragePool", op.operands), 19 if op.dilation else 0
)
FIRST_OPSETS[LpPool] = lambda op: max(
    first_opset("LpPool", op.operands), 18 if op.dilation or op.ceil else 0
)
FIRST_OPSETS[MaxUnpool] = lambda op: first_opset("MaxUnpool", op.operands)
FIRST_OPSETS[MaxRoiPool] = lambda op: first_opset("MaxRoiPool", op.operands)
FIRST_OPSETS[RoiAlign] = lambda op: first_opset("RoiAlign", op.operands)


def _read_pool(node: Node) -> dict[str, Any]:
    """The attributes that all pools share."""
    return {
        "kernel": node.ints("kernel_shape"),
        "stride": node.ints("strides", ()),
        "dilation": node.ints("dilations", ()),
        "ceil": bool(node.int("ceil_mode", 0)),
        **read_padding(node),
    }


def _write_pool(op: Pool, w: Writer, op_type: str, **attributes: Any) -> None:
    write_channels_first(
        w, op_type, op.x, [], op.results,
        layout=op.layout,
        kernel_shape=op.kernel,
        strides=op.stride or None,
        dilations=op.dilation or None,
        ceil_mode=1 if op.ceil else None,
        **write_padding(op.pads, op.auto_pad),
        **attributes,
    )  # fmt: skip


@READERS.rule("MaxPool")
def read_max_pool(node: Node) -> Read:
    op = MaxPool(
        node.input(0),
        indices=node.wants(1),
        storage_order=node.int("storage_order", 0),
        **_read_pool(node),
    )
    return node.add(op).results


@WRITERS.rule(MaxPool)
def write_max_pool(op: MaxPool, w: Writer) -> None:
    _write_pool(op, w, "MaxPool", storage_order=op.storage_order or None)


@READERS.rule("AveragePool")
def read_avg_pool(node: Node) -> Value:
    include = bool(node.int("count_include_pad", 0))
    return node.add(AvgPool(node.input(0), count_include_pad=include, **_read_pool(node))).result


@WRITERS.rule(AvgPool)
def write_avg_pool(op: AvgPool, w: Writer) -> None:
    _write_pool(op, w, "AveragePool", count_include_pad=1 if op.count_include_pad else None)


@READERS.rule("LpPool")
def read_lp_pool(node: Node) -> Value:
    return node.add(LpPool(node.input(0), p=node.int("p", 2), **_read_pool(node))).result


@WRITERS.rule(LpPool)
def write_lp_pool(op: LpPool, w: Writer) -> None:
    _write_pool(op, w, "LpPool", p=op.p if op.p != 2 else None)


_NORMS: Mapping[int, type[ReduceL1 | ReduceL2]] = {1: ReduceL1, 2: ReduceL2}


@READERS.rule("GlobalLpPool")
def read_global_lp_pool(node: Node) -> Value:
    x, p = node.input(0), node.int("p", 2)
    if p in _NORMS:
        return node.add(_NORMS[p](x, axes=tuple(range(2, x.type.rank)), keepdims=True)).result
    dims = x.type.static_dims
    if dims is None:
        raise Unsupported(
            f"GlobalLpPool with p = {p} wants known dims, found {x.type}",
            "fix the dims with input_shapes",
        )
    return node.add(LpPool(x, kernel=dims[2:], p=p)).result


@READERS.rule("MaxUnpool")
def read_max_unpool(node: Node) -> Value:
    op = MaxUnpool(
        node.input(0),
        node.input(1),
        node.optional(2),
        kernel=node.ints("kernel_shape"),
        stride=node.ints("strides", ()),
        pads=node.ints("pads", ()),
    )
    return node.add(op).result


@WRITERS.rule(MaxUnpool)
def write_max_unpool(op: MaxUnpool, w: Writer) -> None:
    w.node(
        "MaxUnpool",
        [op.x, op.indices, op.shape],
        op.results,
        kernel_shape=op.kernel,
        strides=op.stride or None,
        pads=op.pads or None,
    )


@READERS.rule("MaxRoiPool")
def read_max_roi_pool(node: Node) -> Value:
    op = MaxRoiPool(
        node.input(0),
        node.input(1),
        size=node.ints("pooled_shape"),
        scale=node.float("spatial_scale", 1.0),
    )
    return node.add(op).result


@WRITERS.rule(MaxRoiPool)
def write_max_roi_pool(op: MaxRoiPool, w: Writer) -> None:
    w.node(
        "MaxRoiPool",
        [op.x, op.rois],
        op.results,
        pooled_shape=op.size,
        spatial_scale=op.scale if op.scale != 1 else None,
    )


@READERS.rule("RoiAlign")
def read_roi_align(node: Node) -> Value:
    transform = "output_half_pixel"  # all that opset 10 knows
    if node.opset >= 16:
        transform = node.string("coordinate_transformation_mode", "half_pixel")
    op = RoiAlign(
        node.input(0),
        node.input(1),
        node.input(2),
        mode=node.string("mode", "avg"),
        size=(node.int("output_height", 1), node.int("output_width", 1)),
        ratio=node.int("sampling_ratio", 0),
        scale=node.float("spatial_scale", 1.0),
        half_pixel=transform == "half_pixel",
    )
    return node.add(op).result


@WRITERS.rule(RoiAlign)
def write_roi_align(op: RoiAlign, w: Writer) -> None:
    w.node(
        "RoiAlign",
        [op.x, op.rois, op.batch_indices],
        op.results,
        mode=op.mode if op.mode != "avg" else None,
        output_height=op.size[0],
        output_width=op.size[1],
        sampling_ratio=op.ratio or None,
        spatial_scale=op.scale if op.scale != 1 else None,
        coordinate_transformation_mode=None if op.half_pixel else "output_half_pixel",
    )
