"""Several ops to one, and constants into weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgec.passes.context import PatternPass
from edgec.passes.fuse import (
    activation,
    batch_norm,
    constants,
    hard,
    layer_norm,
    matmul,
    norm_affine,
    padding,
    rectifiers,
    reductions,
    scale_bias,
    smooth,
    softmax,
)
from edgec.passes.pattern import Pattern
from edgec.passes.promise import Close

# Tried in this order at each op: idioms of many ops first, before smaller rules take them apart.
RULES: tuple[type[Pattern], ...] = (
    *layer_norm.RULES,
    *norm_affine.RULES,
    *softmax.RULES,
    *smooth.RULES,
    *hard.RULES,
    *rectifiers.RULES,
    *reductions.RULES,
    *batch_norm.RULES,
    *scale_bias.RULES,
    *matmul.RULES,
    *padding.RULES,
    *constants.RULES,
)
_PATTERNS: tuple[Pattern, ...] = tuple(rule() for rule in RULES)
ACTIVATION_RULES: tuple[type[Pattern], ...] = activation.RULES
_ACTIVATIONS: tuple[Pattern, ...] = tuple(rule() for rule in ACTIVATION_RULES)


@dataclass(frozen=True)
class Fuse(PatternPass):
    """Fuse normalizations, scales, biases and padding into the op beside them, and recognize
    decomposed activations, normalizations and reductions."""

    name = "fuse"
    promise = Close(ulp=1)

    def patterns(self) -> Sequence[Pattern]:
        return _PATTERNS


@dataclass(frozen=True)
class FuseActivation(PatternPass):
    """Let convolutions and matrix products carry the activation that follows them."""

    name = "fuse-activation"
    promise = Close(ulp=1)

    def patterns(self) -> Sequence[Pattern]:
        return _ACTIVATIONS
