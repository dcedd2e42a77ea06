"""ONNX convolutions."""

from __future__ import annotations

from edgec.ir import Dim, Ints, Value
from edgec.ir.ops import Conv, ConvTranspose, DeformConv
from edgec.ir.ops.common import per_axis
from edgec.lowering.onnx.fused import before_act, write_act
from edgec.lowering.onnx.layouts import write_channels_first
from edgec.lowering.onnx.node import READERS, Node, Unsupported
from edgec.lowering.onnx.typed import first_opset
from edgec.lowering.onnx.windows import read_padding, write_padding
from edgec.lowering.onnx.writer import FIRST_OPSETS, WRITERS, Writer

FIRST_OPSETS[Conv] = lambda op: first_opset("Conv", op.operands)
FIRST_OPSETS[ConvTranspose] = lambda op: first_opset("ConvTranspose", op.operands)
FIRST_OPSETS[DeformConv] = lambda op: first_opset("DeformConv", op.operands)


@READERS.rule("Conv")
def read_conv(node: Node) -> Value:
    _check_kernel_shape(node)
    op = Conv(
        node.input(0),
        node.input(1),
        node.optional(2),
        stride=node.ints("strides", ()),
        dilation=node.ints("dilations", ()),
        groups=node.int("group", 1),
        **read_padding(node),
    )
    return node.add(op).result


@WRITERS.rule(Conv)
def write_conv(op: Conv, w: Writer) -> None:
    y = before_act(op.act, op.act_params, op.result, w)
    write_channels_first(
        w, "Conv", op.x, [op.w, op.bias], [y],
        layout=op.layout,
        strides=op.stride or None,
        dilations=op.dilation or None,
        group=op.groups if op.groups != 1 else None,
        **write_padding(op.pads, op.auto_pad),
    )  # fmt: skip
    write_act(op.act, op.act_params, y, op.result, w)


@READERS.rule("ConvTranspose")
def read_conv_transpose(node: Node) -> Value:
    _check_kernel_shape(node)
    x, weights = node.input(0), node.input(1)
    pads, output_padding = _transposed_padding(node, x, weights)
    op = ConvTranspose(
        x,
        weights,
        node.optional(2),
        stride=node.ints("strides", ()),
        dilation=node.ints("dilations", ()),
        groups=node.int("group", 1),
        pads=pads,
        output_padding=output_padding,
    )
    return node.add(op).result


def _transposed_padding(node: Node, x: Value, weights: Value) -> tuple[Ints, Ints]:
    """Explicit pads and output padding: ``output_shape`` and ``auto_pad`` only abbreviate them."""
    auto_pad = node.string("auto_pad", "NOTSET")
    extra = node.ints("output_padding", ())
    wanted = node.ints("output_shape", ())
    if not wanted and auto_pad == "NOTSET":
        return node.ints("pads", ()), extra
    if not wanted and auto_pad == "VALID":
        return (), extra
    strides = node.ints("strides", ())
    plain = ConvTranspose(
        x, weights,
        stride=strides, dilation=node.ints("dilations", ()),
        groups=node.int("group", 1), output_padding=extra,
    )  # fmt: skip
    count = plain.window.axes
    sizes: tuple[Dim, ...] = wanted[-count:] or tuple(
        size * step for size, step in zip(x.type.dims[2:], plain.window.strides, strict=True)
    )
    crops = [whole - size for whole, size in zip(plain.result.type.dims[2:], sizes, strict=True)]
    known = [crop for crop in crops if isinstance(crop, int)]
    if len(known) != count:
        raise Unsupported(
            f"output_shape {list(wanted)} needs other pads for every size of {x.type}",
            "fix the spatial dims with input_shapes",
        )
    less = [max(crop, 0) // 2 for crop in known]
    more = [max(crop, 0) - half for crop, half in zip(known, less, strict=True)]
    pads = (*less, *more) if auto_pad == "SAME_UPPER" else (*more, *less)
    extras = per_axis(extra, count, "output_padding", default=0)
    return pads, tuple(e + max(-crop, 0) for e, crop in zip(extras, known, strict=True))


@WRITERS.rule(ConvTranspose)
def write_conv_transpose(op: ConvTranspose, w: Writer) -> None:
    y = before_act(op.act, op.act_params, op.result, w)
    write_channels_first(
        w, "ConvTranspose", op.x, [op.w, op.bias], [y],
        layout=op.layout,
        strides=op.stride or None,
        dilations=op.dilation or None,
        group=op.groups if op.groups != 1 else None,
        pads=op.pads or None,
        output_padding=op.output_padding or None,
    )  # fmt: skip
    write_act(op.act, op.act_params, y, op.result, w)


@READERS.rule("DeformConv")
def read_deform_conv(node: Node) -> Value:
    _check_kernel_shape(node)
    op = DeformConv(
        node.input(0),
        node.input(1),
        node.input(2),
        node.optional(3),
        node.optional(4),
        stride=node.ints("strides", ()),
        pads=node.ints("pads", ()),
        dilation=node.ints("dilations", ()),
        groups=node.int("group", 1),
        offset_groups=node.int("offset_group", 1),
    )
    return node.add(op).result


@WRITERS.rule(DeformConv)
def write_deform_conv(op: DeformConv, w: Writer) -> None:
    w.node(
        "DeformConv",
        [op.x, op.w, op.offset, op.bias, op.mask],
        op.results,
        strides=op.stride or None,
        pads=op.pads or None,
        dilations=op.dilation or None,
        group=op.groups if op.groups != 1 else None,
        offset_group=op.offset_groups if op.offset_groups != 1 else None,
    )


def _check_kernel_shape(node: Node) -> None:
    """Raises Unsupported when the attribute disagrees with the weights."""
    stated = node.ints("kernel_shape", ())
    found = node.input(1).type.dims[2:]
    if stated and stated != found:
        raise Unsupported(f"kernel_shape is {list(stated)}, the weights have {list(found)}")
