"""What a pass promises about numbers, and how the promise is checked.

``Exact``: every output is the same to the bit. ``Close(ulp)``: outputs agree within the rounding
that the graph's own arithmetic allows, ``ulp`` times over (the rewrite reorders or merges
roundings). ``Lossy``: the pass changes numbers on purpose, within a stated budget. ``Anew``: the
graph takes other inputs afterwards, so that there is nothing to compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Exact:
    """Outputs are bit-identical."""

    def __str__(self) -> str:
        return "exact"


@dataclass(frozen=True)
class Close:
    """Outputs agree within ``ulp`` times the rounding error of the graph itself."""

    ulp: float = 1.0

    def __str__(self) -> str:
        return f"close({self.ulp:g} ulp)"


@dataclass(frozen=True)
class Lossy:
    """Outputs change; ``metric`` (for example 'sqnr_db') stays on the right side of ``budget``."""

    metric: str
    budget: float

    def __str__(self) -> str:
        return f"lossy({self.metric} {self.budget:g})"


@dataclass(frozen=True)
class Anew:
    """The inputs mean something else; comparisons begin after the pass."""

    def __str__(self) -> str:
        return "other inputs"


Promise: TypeAlias = Exact | Close | Lossy | Anew
