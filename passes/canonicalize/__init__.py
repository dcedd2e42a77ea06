"""One spelling per idea: rewrites that never add work and change no number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgec.passes.canonicalize import (
    broadcasts,
    casts,
    clips,
    concats,
    constants,
    gathers,
    identities,
    matmuls,
    parts,
    reductions,
    regions,
    repeats,
    reshapes,
    resizes,
    shuffles,
    slices,
    transposes,
    transposes_through,
    windows,
)
from edgec.passes.context import PatternPass
from edgec.passes.pattern import Pattern
from edgec.passes.promise import Exact

# Tried in this order at each op: what removes an op comes before what rewrites it.
RULES: tuple[type[Pattern], ...] = (
    *identities.RULES,
    *repeats.RULES,
    *casts.RULES,
    *clips.RULES,
    *constants.RULES,
    *shuffles.RULES,
    *reshapes.RULES,
    *transposes.RULES,
    *transposes_through.RULES,
    *slices.RULES,
    *concats.RULES,
    *parts.RULES,
    *broadcasts.RULES,
    *gathers.RULES,
    *reductions.RULES,
    *windows.RULES,
    *resizes.RULES,
    *matmuls.RULES,
    *regions.RULES,
)
_PATTERNS: tuple[Pattern, ...] = tuple(rule() for rule in RULES)


@dataclass(frozen=True)
class Canonicalize(PatternPass):
    """Remove what does nothing, merge what repeats, and write each idea in one form."""

    name = "canonicalize"
    promise = Exact()

    def patterns(self) -> Sequence[Pattern]:
        return _PATTERNS
