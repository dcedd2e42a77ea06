"""Ops that name axes in an attribute: the axes are renumbered."""

from __future__ import annotations

from typing import Any

from edgec.ir import Op
from edgec.ir.ops import (
    ArgExtreme,
    ArgMax,
    ArgMin,
    BatchNorm,
    CumProd,
    CumSum,
    Hardmax,
    IntegerMean,
    IntegerSoftmax,
    LogSoftmax,
    LpNorm,
    Reduce,
    Running,
    Softmax,
    SoftmaxLike,
)
from edgec.passes.layout.forms import Form, form_of
from edgec.passes.layout.table import LAYOUT, Answer, Carry, Forms, carried


@LAYOUT.rule(
    Softmax, LogSoftmax, Hardmax, IntegerSoftmax, CumSum, CumProd, LpNorm, BatchNorm
)  # fmt: skip
def along_axis(
    op: SoftmaxLike | IntegerSoftmax | Running | LpNorm | BatchNorm, forms: Forms
) -> Answer:
    form = forms.around(op, op.x.type.rank)
    if form is None:
        return None
    return carried(op, form, axis=form.axis(op.axis))


@LAYOUT.rule(*Reduce.__subclasses__(), IntegerMean)
def reduction(op: Reduce | IntegerMean, forms: Forms) -> Answer:
    form = forms.of(op.x) or (forms.of(op.result) if op.keepdims else None)
    if form is None:
        return None
    axes = tuple(sorted(form.axes(op.axes)))
    return _reduced(op, form, frozenset(op.axes), op.keepdims, {"axes": axes})


@LAYOUT.rule(ArgMax, ArgMin)
def arg_extreme(op: ArgExtreme, forms: Forms) -> Answer:
    form = forms.of(op.x) or (forms.of(op.result) if op.keepdims else None)
    if form is None:
        return None
    return _reduced(op, form, frozenset((op.axis,)), op.keepdims, {"axis": form.axis(op.axis)})


def _reduced(
    op: Op, form: Form, axes: frozenset[int], keepdims: bool, changes: dict[str, Any]
) -> Answer:
    if keepdims:
        return carried(op, form, **changes)
    left = without(form, axes)
    if isinstance(left, str):
        return left
    return Carry((form,), (left,), changes)


def without(form: Form, axes: frozenset[int]) -> Form | str | None:
    """The form of what is left when axes vanish; in words why there is none."""
    channels = form.blocks()[2 if form.last else 1]
    kept = len(channels - axes)
    if 0 in axes and kept not in (0, form.rank - len(axes)):
        return "the batch axis vanishes, and channels and spatial axes stay"
    return None if 0 in axes else form_of(form.rank - len(axes), kept, form.last)
