"""Softmax and its kin."""

from __future__ import annotations

from edgec.ir.ops import Hardmax, LogSoftmax, Softmax
from edgec.lowering.tensorrt.layers import out
from edgec.lowering.tensorrt.scan_axis import extreme_position, positions
from edgec.lowering.tensorrt.table import TENSORRT, Tensor
from edgec.lowering.tensorrt.writer import Writer


@TENSORRT.rule(Softmax)
def softmax(op: Softmax, w: Writer) -> Tensor:
    """The layer wants two axes."""
    x = w[op.x]
    flat = len(x.shape) == 1
    layer = w.net.add_softmax(w.ranked(x, 2))
    layer.axes = 1 << (op.axis + flat)
    y = out(layer)
    return w.under(y, w.sizes(y)[1:]) if flat else y


@TENSORRT.rule(LogSoftmax)
def log_softmax(op: LogSoftmax, w: Writer) -> Tensor:
    """x - max - log(sum of e**(x - max))"""
    x, axes = w[op.x], (op.axis,)
    shifted = w.binary("SUB", x, w.reduce("MAX", x, axes, True))
    total = w.reduce("SUM", w.unary("EXP", shifted), axes, True)
    return w.binary("SUB", shifted, w.unary("LOG", total))


@TENSORRT.rule(Hardmax)
def hardmax(op: Hardmax, w: Writer) -> Tensor:
    x = w[op.x]
    best = extreme_position(x, op.axis, "MAX", w)
    chosen = w.binary("EQUAL", positions(x, op.axis, w), best)
    return w.cast(chosen, op.x.type.dtype)
