"""Writing ops with channels last as ONNX nodes, which know channels first only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgec.ir import Value
from edgec.lowering.onnx.writer import Operand, Writer


def write_channels_first(
    w: Writer,
    op_type: str,
    inputs: Sequence[Operand],
    outputs: Sequence[Operand],
    *,
    x: Value,
    layout: str,
    **attributes: Any,
) -> None:
    """A node whose first input is ``x`` and whose outputs lie as ``x`` does; between transposes
    when ``layout`` is nhwc."""
    if layout == "nchw":
        w.node(op_type, inputs, outputs, **attributes)
        return
    rank = x.type.rank
    first = w.temporary("channels_first")
    w.node("Transpose", inputs[:1], [first], perm=(0, rank - 1, *range(1, rank - 1)))
    inner = [w.temporary("channels_first") for _ in outputs]
    w.node(op_type, [first, *inputs[1:]], inner, **attributes)
    for source, target in zip(inner, outputs, strict=True):
        w.node("Transpose", [source], [target], perm=(0, *range(2, rank), 1))
