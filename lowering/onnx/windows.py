"""Padding attributes that ONNX convolutions and pools share."""

from __future__ import annotations

from typing import Any

from edgec.ir import Ints
from edgec.lowering.onnx.node import Node, Unsupported

_AUTO_PADS = {"SAME_UPPER": "same_upper", "SAME_LOWER": "same_lower"}
_NAMES = {ours: name for name, ours in _AUTO_PADS.items()}


def read_padding(node: Node) -> dict[str, Any]:
    """The attributes ``pads`` and ``auto_pad`` of an op. VALID means no padding."""
    auto_pad = node.string("auto_pad", "NOTSET")
    if auto_pad in _AUTO_PADS:
        return {"auto_pad": _AUTO_PADS[auto_pad]}
    if auto_pad not in ("NOTSET", "VALID"):
        raise Unsupported(f"auto_pad {auto_pad!r} is not one of ONNX's")
    return {"pads": node.ints("pads", ()) if auto_pad == "NOTSET" else ()}


def write_padding(pads: Ints, auto_pad: str) -> dict[str, Any]:
    """ONNX's attributes ``pads`` and ``auto_pad``, None where they hold their default."""
    return {"pads": pads or None, "auto_pad": _NAMES.get(auto_pad)}
