"""Batch normalization into the weights of the op before it, or after it."""

from __future__ import annotations

from edgec.ir import Op
from edgec.ir.ops import BatchNorm
from edgec.passes.fuse.carriers import CARRIERS, LINEAR, after, before, result_axis, source_axis
from edgec.passes.fuse.channels import batch_norm_affine, is_plain_float
from edgec.passes.fuse.fusion import Fusion, with_source
from edgec.passes.pattern import ANY, Match, Pattern, loose

_NOT_AN_AFFINE = "the statistics of batch_norm are not constant, or the variance is not positive"


class FuseBatchNormAfter(Fusion):
    """batch_norm(linear(x, w, b))  ->  linear(x, w * s, (b - mean) * s + beta);
    s = gamma / sqrt(var + eps), along the output channels"""

    match = loose(BatchNorm, loose(CARRIERS) @ "carrier") @ "norm"

    def fused(self, m: Match) -> Op | str:
        affine = batch_norm_affine(m.norm)
        if affine is None or not is_plain_float(m.norm.x):
            return _NOT_AN_AFFINE
        if m.norm.axis != result_axis(m.carrier):
            return f"batch_norm normalizes axis {m.norm.axis}, not the output channels"
        return after(m.carrier, affine)


class FuseBatchNormBefore(Fusion):
    """linear(batch_norm(x), w, b)  ->  linear(x, w * s, b + sum of w * (beta - mean * s));
    s = gamma / sqrt(var + eps), along the input channels"""

    match = loose(LINEAR, loose(BatchNorm, ANY @ "x") @ "norm") @ "linear"

    def fused(self, m: Match) -> Op | str:
        affine = batch_norm_affine(m.norm)
        if affine is None or not is_plain_float(m.norm.x):
            return _NOT_AN_AFFINE
        if m.norm.axis != source_axis(m.linear):
            return f"batch_norm normalizes axis {m.norm.axis}, not the input channels"
        made = before(m.linear, affine)
        return made if isinstance(made, str) else with_source(made, m.x)


RULES: tuple[type[Pattern], ...] = (FuseBatchNormAfter, FuseBatchNormBefore)
