"""Reshapes that keep batch, channels and spatial axes apart, and transposes."""

from __future__ import annotations

from collections.abc import Sequence

from edgec.ir import Dim
from edgec.ir.ops import Reshape, Transpose
from edgec.ir.ops.common import product
from edgec.passes.layout.forms import Form, form_of, inverse, permuted
from edgec.passes.layout.table import LAYOUT, Alias, Answer, Carry, Forms, Free

MIXED = "the reshape mixes channels with other axes"


@LAYOUT.rule(Reshape)
def reshape(op: Reshape, forms: Forms) -> Answer:
    """[n, c…, s…] -> [n, c'…, s'…]: the same op on [n, s…, c…]."""
    source, target = forms.of(op.x), forms.of(op.result)
    known = source or target
    if known is None:
        return None
    if op.to is None:
        return "the dims of the reshape are computed at run time"
    x, y = op.x.type.dims, op.result.type.dims
    other = _regrouped(known, x, y, target) if source else _regrouped(known, y, x, None)
    if isinstance(other, str):
        return other
    made = other if source else known
    to = permuted(op.to, made.perm) if made else op.to
    return Carry((source or other, None), (made,), {"to": to})


def _regrouped(
    form: Form, dims: Sequence[Dim], others: Sequence[Dim], wanted: Form | None
) -> Form | str | None:
    """The form of dims with the same elements per block as ``dims`` under ``form``."""
    if not others or others[0] != dims[0]:
        return MIXED
    cut = 1 + form.first_block
    first, second = product(dims[1:cut]), product(dims[cut:])
    fitting = [
        at
        for at in range(1, len(others) + 1)
        if product(others[1:at]) == first and product(others[at:]) == second
    ]
    if not fitting:
        return MIXED
    found = [_cut_at(at, len(others), form.last) for at in fitting]
    alike = [each for each in found if each is not None and each.channels == form.channels]
    return wanted if wanted in found else (alike or found)[0]


def _cut_at(at: int, rank: int, last: bool) -> Form | None:
    return form_of(rank, rank - at if last else at - 1, last)


@LAYOUT.rule(Transpose)
def transpose(op: Transpose, forms: Forms) -> Answer:
    source, target = forms.of(op.x), forms.of(op.result)
    if source is None and target is None:
        return None
    if source is None:
        assert target is not None
        back = _related(target, inverse(op.perm))
        return _answer(op, back, target) if back else Free()
    onward = _related(source, op.perm)
    if onward is None or target not in (None, onward):
        return Free()
    return _answer(op, source, onward)


def _related(form: Form, perm: Sequence[int]) -> Form | None:
    """The form of a transpose that swaps the two blocks, or keeps each in its place."""
    if tuple(perm) == form.perm:
        return form.flipped
    blocks = form.blocks()
    kept = all(frozenset(perm[axis] for axis in block) == block for block in blocks)
    return form if kept else None


def _answer(op: Transpose, source: Form, target: Form) -> Answer:
    if source != target:
        return Alias(source, target)
    perm = tuple(source.axis(op.perm[axis]) for axis in source.perm)
    return Carry((source,), (source,), {"perm": perm})
