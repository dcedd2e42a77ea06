"""Several ops to one, and constants into weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgec.passes.context import PatternPass
from edgec.passes.pattern import Pattern
from edgec.passes.promise import Close


@dataclass(frozen=True)
class Fuse(PatternPass):
    """Fuse normalizations, scales, biases, activations and padding into the op before them, and
    recognize decomposed activations and normalizations."""

    name = "fuse"
    promise = Close(ulp=1)

    def patterns(self) -> Sequence[Pattern]:
        return ()
