"""Several ops to one, and constants into weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgec.ir import Graph, Rewriter
from edgec.passes.context import PatternPass, current
from edgec.passes.driver import apply_patterns
from edgec.passes.fuse import (
    activation,
    affine_moves,
    batch_norm,
    channel_order,
    constants,
    gates,
    hard,
    layer_norm,
    linear_chain,
    matmul,
    norm_affine,
    padding,
    rectifiers,
    reductions,
    rotary,
    scale_bias,
    scale_moves,
    smooth,
    softmax,
    space,
    strength,
)
from edgec.passes.pattern import Pattern
from edgec.passes.promise import Close

# Tried in this order at each op: idioms of many ops first, before smaller rules take them apart.
IDIOMS: tuple[type[Pattern], ...] = (
    *layer_norm.RULES,
    *norm_affine.RULES,
    *softmax.RULES,
    *smooth.RULES,
    *hard.RULES,
    *rectifiers.RULES,
    *reductions.RULES,
)
RULES: tuple[type[Pattern], ...] = (
    *IDIOMS,
    *batch_norm.RULES,
    *gates.RULES,
    *scale_bias.RULES,
    *affine_moves.RULES,
    *channel_order.RULES,
    *linear_chain.RULES,
    *space.RULES,
    *matmul.RULES,
    *scale_moves.RULES,
    *rotary.RULES,
    *padding.RULES,
    *constants.RULES,
)
_PATTERNS: tuple[Pattern, ...] = tuple(rule() for rule in RULES)
STRENGTH_RULES: tuple[type[Pattern], ...] = strength.RULES
_STRENGTH: tuple[Pattern, ...] = tuple(rule() for rule in STRENGTH_RULES)
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

    def run(self, graph: Graph, rw: Rewriter) -> None:
        context = current()
        idioms = self.patterns()[: len(IDIOMS)]
        # Alone first: an idiom's last op comes after the op that a weight would absorb.
        for patterns in (idioms, self.patterns()):
            apply_patterns(graph, patterns, context.statistics, context.fuel.spend)


@dataclass(frozen=True)
class ReduceStrength(PatternPass):
    """Multiply by reciprocals of constants instead of dividing, and by x instead of squaring it."""

    name = "reduce-strength"
    promise = Close(ulp=1)

    def patterns(self) -> Sequence[Pattern]:
        return _STRENGTH


@dataclass(frozen=True)
class FuseActivation(PatternPass):
    """Let convolutions and matrix products carry the activation that follows them."""

    name = "fuse-activation"
    promise = Close(ulp=1)

    def patterns(self) -> Sequence[Pattern]:
        return _ACTIVATIONS
