"""Ops that join, cut, pad, resize and repeat: one entry per axis, renumbered with the axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgec.ir import Constant, Ints, Op, Rewriter, Value
from edgec.ir.ops import Concat, DimsOf, Expand, Gather, Pad, Resize, Slice, Split, Tile
from edgec.passes.layout.forms import Form
from edgec.passes.layout.rules_axes import without
from edgec.passes.layout.table import LAYOUT, Answer, Carry, Forms, carried


@LAYOUT.rule(Concat)
def concat(op: Concat, forms: Forms) -> Answer:
    form = forms.around(op)
    if form is None:
        return None
    return carried(op, form, len(op.xs), axis=form.axis(op.axis))


@LAYOUT.rule(Split)
def split(op: Split, forms: Forms) -> Answer:
    form = forms.around(op)
    if form is None:
        return None
    return carried(op, form, axis=form.axis(op.axis))


@LAYOUT.rule(Slice)
def cut(op: Slice, forms: Forms) -> Answer:
    form = forms.around(op)
    if form is None:
        return None
    return _renumbered(op, form, op.axes, {"starts": 1, "ends": 1, "steps": 1})


@LAYOUT.rule(Pad)
def pad(op: Pad, forms: Forms) -> Answer:
    form = forms.around(op)
    if form is None:
        return None
    return _renumbered(op, form, op.padded_axes, {"pads": 2})


@LAYOUT.rule(Resize)
def resize(op: Resize, forms: Forms) -> Answer:
    form = forms.around(op)
    entries = {"scales": 1, "sizes": 1, "roi": 2}
    if form is None:
        return None
    return _renumbered(op, form, op.resized_axes, entries)


@LAYOUT.rule(Tile)
def tile(op: Tile, forms: Forms) -> Answer:
    return _listed(op, forms.around(op), "repeats")


@LAYOUT.rule(Expand)
def expand(op: Expand, forms: Forms) -> Answer:
    if op.x.type.rank != op.result.type.rank:
        return "expand adds axes"
    return _listed(op, forms.around(op), "shape")


@LAYOUT.rule(Gather)
def gather(op: Gather, forms: Forms) -> Answer:
    rank = op.indices.type.rank
    if rank > 1:
        return "gather adds axes"
    form = forms.of(op.x) or (forms.of(op.result) if rank else None)
    if form is None:
        return None
    if rank:
        return carried(op, form, axis=form.axis(op.axis))
    left = without(form, frozenset((op.axis % form.rank,)))
    if isinstance(left, str):
        return left
    return Carry((form, None), (left,), {"axis": form.axis(op.axis)})


@LAYOUT.rule(DimsOf)
def dims_of(op: DimsOf, forms: Forms) -> Answer:
    """The dims of the other arrangement, put back into the order of the written one."""
    form = forms.of(op.x)
    if form is None:
        return None
    places = form.axes(range(form.rank)[op.start : op.end])

    def reorder(rw: Rewriter, turned: Op) -> Sequence[Value]:
        order = rw.constant(np.array(places, dtype=np.int64))
        return (rw.add(Gather(turned.result, order)).result,)

    return Carry((form,), (None,), {"start": 0, "end": None}, reorder)


def _renumbered(op: Op, form: Form, axes: Ints, entries: dict[str, int]) -> Carry:
    """Axes in ascending order where the operands that list one entry per axis are constants.

    Args:
        entries: operands by name, with the number of lists (begins, then ends) that they hold.
    """
    changes: dict[str, Any] = {"axes": form.axes(axes)}
    order = tuple(np.argsort(changes["axes"]).tolist())
    listed = {name: getattr(op, name) for name in entries if getattr(op, name) is not None}
    sorts = order != tuple(range(len(order)))
    if sorts and all(isinstance(value, Constant) for value in listed.values()):
        changes["axes"] = tuple(changes["axes"][i] for i in order)
        for name, value in listed.items():
            changes[name] = _reordered(value, order, entries[name])
    return carried(op, form, **changes)


def _listed(op: Op, form: Form | None, name: str) -> Answer:
    """An op with one entry for every axis in the constant operand of that name."""
    if form is None:
        return None
    value = getattr(op, name)
    if value.type.dims != (form.rank,) or not isinstance(value, Constant):
        return f"{op.op_name} reads {name} at run time, or for fewer axes"
    changes: dict[str, Any] = {name: _reordered(value, form.perm, 1)}
    return carried(op, form, **changes)


def _reordered(value: Constant, order: Sequence[int], lists: int) -> Constant:
    rows = value.array.reshape(lists, -1)
    return Constant(np.ascontiguousarray(rows[:, list(order)]).reshape(-1), hint=value.hint)
