"""ONNX convolutions."""

from __future__ import annotations

from edgec.ir import Value
from edgec.ir.ops import Conv
from edgec.lowering.onnx.node import READERS, Node, Unsupported

_AUTO_PADS = {"SAME_UPPER": "same_upper", "SAME_LOWER": "same_lower"}


@READERS.rule("Conv")
def read_conv(node: Node) -> Value:
    auto_pad = node.string("auto_pad", "NOTSET")
    if auto_pad not in ("NOTSET", "VALID", *_AUTO_PADS):
        raise Unsupported(f"auto_pad {auto_pad!r} is not one of ONNX's")
    op = Conv(
        node.input(0),
        node.input(1),
        node.optional(2),
        stride=node.ints("strides", ()),
        pads=node.ints("pads", ()) if auto_pad == "NOTSET" else (),
        dilation=node.ints("dilations", ()),
        groups=node.int("group", 1),
        auto_pad=_AUTO_PADS.get(auto_pad, "explicit"),
    )
    return node.add(op).result
