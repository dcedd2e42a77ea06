"""Writing ops with channels last as ONNX nodes, which know channels first only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgec.ir import Value
from edgec.lowering.onnx.writer import Operand, Writer


def write_channels_first(
    w: Writer,
    op_type: str,
    x: Value,
    others: Sequence[Operand],
    outputs: Sequence[Operand],
    *,
    layout: str,
    **attributes: Any,
) -> None:
    """A node on ``x`` and ``others`` whose outputs lie as ``x`` does: between transposes when
    ``layout`` is nhwc."""
    if layout == "nchw":
        w.node(op_type, [x, *others], outputs, **attributes)
        return
    rank = x.type.rank
    first = w.temporary("channels_first")
    w.node("Transpose", [x], [first], perm=(0, rank - 1, *range(1, rank - 1)))
    inner = [w.temporary("channels_first") for _ in outputs]
    w.node(op_type, [first, *others], inner, **attributes)
    for source, target in zip(inner, outputs, strict=True):
        w.node("Transpose", [source], [target], perm=(0, *range(2, rank), 1))
