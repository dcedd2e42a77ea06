"""Quantization: scales and zero points per channel stay, their axis is renumbered."""

from __future__ import annotations

from edgec.ir.ops import Dequantize, Quantize
from edgec.ir.ops.quant import is_per_tensor
from edgec.passes.layout.table import LAYOUT, Answer, Carry, Forms, carried


@LAYOUT.rule(Quantize, Dequantize)
def quantization(op: Quantize | Dequantize, forms: Forms) -> Answer:
    form = forms.around(op, op.x.type.rank)
    if form is None:
        return None
    if is_per_tensor(op.scale) and not op.block:
        return carried(op, form)
    axis = form.axis(op.axis)
    if not op.block:
        return carried(op, form, axis=axis)
    slots = (form, form, None if op.zero_point is None else form)
    return Carry(slots, (form,), {"axis": axis})
