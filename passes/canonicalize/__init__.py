"""One spelling per idea: rewrites that never add work and change no number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgec.passes.context import PatternPass
from edgec.passes.pattern import Pattern
from edgec.passes.promise import Exact


@dataclass(frozen=True)
class Canonicalize(PatternPass):
    """Remove what does nothing, merge what repeats, and write each idea in one form."""

    name = "canonicalize"
    promise = Exact()

    def patterns(self) -> Sequence[Pattern]:
        return ()
