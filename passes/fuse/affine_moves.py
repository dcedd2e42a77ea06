"""Scales and shifts per channel, through a pool, a concat or padding into the linear ops behind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgec.ir import Constant, Op, Rewriter, Value, known_ints
from edgec.ir.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Div,
    MaxPool,
    Mul,
    Pad,
    ReduceMax,
    ReduceMean,
    Sub,
)
from edgec.passes.fuse.carriers import CARRIERS, Carrier, after, result_axis
from edgec.passes.fuse.channels import Affine, batch_norm_affine, is_plain_float, per_channel
from edgec.passes.pattern import ELSEWHERE, Match, Pattern, loose, uniform

_AFFINE: tuple[type[Op], ...] = (BatchNorm, Mul, Div, Add, Sub)
_AVERAGES = (AvgPool, ReduceMean)
_POOLS: tuple[type[Op], ...] = (*_AVERAGES, MaxPool, ReduceMax)


def _affine_of(op: Op, axis: int) -> Affine | str:
    """What the op does to each channel along the axis, with its second operand constant."""
    if isinstance(op, BatchNorm):
        found = batch_norm_affine(op) if op.axis == axis else None
        return found or "batch_norm has other channels, or no constant statistics"
    source, constant = op.operands[:2]
    assert source is not None
    if not isinstance(constant, Constant):
        return ELSEWHERE
    vector = per_channel(constant, source, axis)
    if vector is None or not is_plain_float(constant):
        return "the operand is no constant per channel"
    if isinstance(op, Div) and not np.all(vector != 0):
        return "the divisor has zeros"
    if isinstance(op, (Mul, Div)):
        return Affine(scale=vector if isinstance(op, Mul) else 1 / vector)
    return Affine(shift=vector if isinstance(op, Add) else -vector)


def _carrier(value: Value, reader: Op) -> Carrier | None:
    """The linear op or normalization that only ``reader`` reads."""
    op = value.producer
    single = value.use_count == 1 and op is not None and op.graph is reader.graph
    return op if single and isinstance(op, CARRIERS) else None  # type: ignore[return-value]


class _Moved(Pattern):
    """Base: ``replacements`` lists the carriers, each with the op that takes its place."""

    def check(self, m: Match) -> str | None:
        if m.root.result.type != m.inner.result.type:
            return "the constant enlarges x"
        found = self.replacements(m)
        if isinstance(found, str):
            return found
        m.captures["made"] = found
        return None

    def replacements(self, m: Match) -> list[tuple[Op, Op]] | str:
        raise NotImplementedError

    def build(self, m: Match, rw: Rewriter) -> Value:
        for old, new in m.made:
            inside = rw.at(old)
            inside.locate(m.root.loc)
            rw.replace(old, *inside.add(new).results)
            rw.rename(new.result, None)
        kept: Value = m.inner.result
        rw.rename(kept, m.root.result)
        return kept


class AffineBeforeConcat(_Moved):
    """concat(f, g) * c + d  ->  concat(f', g')  for linear ops or normalizations f and g, which
    take their part of c and d;  batch_norm likewise"""

    match = loose(_AFFINE, loose(Concat) @ "inner")

    def replacements(self, m: Match) -> list[tuple[Op, Op]] | str:
        concat: Concat = m.inner
        carriers = [_carrier(value, concat) for value in concat.xs]
        if not all(carriers):
            return ELSEWHERE
        affine = _affine_of(m.root, concat.axis)
        if isinstance(affine, str):
            return affine
        found: list[tuple[Op, Op]] = []
        begin = 0
        for carrier, value in zip(carriers, concat.xs, strict=True):
            size = value.type.dims[concat.axis]
            if carrier is None or result_axis(carrier) != concat.axis or not isinstance(size, int):
                return "the concat does not join channels"
            made = after(carrier, _part(affine, begin, begin + size))
            if isinstance(made, str):
                return made
            found.append((carrier, made))
            begin += size
        return found


def _part(affine: Affine, begin: int, end: int) -> Affine:
    scale, shift = affine.scale, affine.shift
    return Affine(
        scale if scale.size == 1 else scale[begin:end],
        shift if shift.size == 1 else shift[begin:end],
    )


class AffineBeforePool(_Moved):
    """pool(f) * c + d  ->  pool(f')  for a linear op or normalization f, which takes c and d;
    c positive where the pool takes the maximum;  batch_norm likewise"""

    match = loose(_AFFINE, loose(_POOLS) @ "inner")

    def replacements(self, m: Match) -> list[tuple[Op, Op]] | str:
        pool = m.inner
        carrier = _carrier(pool.x, pool)
        if carrier is None:
            return ELSEWHERE
        axis = result_axis(carrier)
        reduced: Sequence[int] = getattr(pool, "axes", ())
        if any(one <= axis for one in reduced):
            return "the channels are reduced, too"
        affine = _affine_of(m.root, axis)
        if isinstance(affine, str):
            return affine
        reason = _why_not_pooled(pool, affine)
        made = reason or after(carrier, affine)
        return made if isinstance(made, str) else [(carrier, made)]


def _why_not_pooled(pool: Op, affine: Affine) -> str | None:
    if len(pool.results) > 1:
        return "the indices of max_pool are wanted"
    if not isinstance(pool, _AVERAGES) and not np.all(affine.scale > 0):
        return "a maximum times a negative number is a minimum"
    padded = isinstance(pool, AvgPool) and (any(pool.pads) or pool.auto_pad != "explicit")
    if padded and affine.shifts and isinstance(pool, AvgPool) and pool.count_include_pad:
        return "the padding that counts is not shifted"
    return None


class ScaleBeforePad(_Moved):
    """pad(f, 0) * c  ->  pad(f', 0)  for a linear op or normalization f, which takes c"""

    match = loose((Mul, Div), loose(Pad) @ "inner")

    def replacements(self, m: Match) -> list[tuple[Op, Op]] | str:
        pad: Pad = m.inner
        carrier = _carrier(pad.x, pad)
        if carrier is None:
            return ELSEWHERE
        if pad.mode == "constant" and pad.value is not None and uniform(pad.value) != 0:
            return "the padding is not 0"
        affine = _affine_of(m.root, result_axis(carrier))
        if isinstance(affine, str):
            return affine
        if affine.scale.size > 1 and _pads(pad, result_axis(carrier)):
            return "the channels are padded"
        made = after(carrier, affine)
        return made if isinstance(made, str) else [(carrier, made)]


def _pads(pad: Pad, axis: int) -> bool:
    """True unless the axis certainly stays as it is."""
    given, axes = known_ints(pad.pads), pad.padded_axes
    if axis not in axes:
        return False
    at = axes.index(axis)
    return given is None or bool(given[at] or given[at + len(axes)])


RULES: tuple[type[Pattern], ...] = (AffineBeforeConcat, AffineBeforePool, ScaleBeforePad)
