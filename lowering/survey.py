"""What a target finds out about a graph before anything runs: where each op would go, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgec.ir import Op

CPU = "CPU"


@dataclass(frozen=True)
class Place:
    """One operator of the artifact.

    Attributes:
        layer: the user's own name for it.
        operator: as the format calls it.
        where: the accelerator's name, or ``CPU``.
        why: what keeps it off the accelerator; empty where nothing does.
        instead: what to do about it.
        source: the op that it was written for.
        numbers: what is known of it, by name (cycles, bytes).
    """

    layer: str
    operator: str
    where: str
    why: str = ""
    instead: str = ""
    source: Op | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_accelerated(self) -> bool:
        return self.where != CPU


@dataclass(frozen=True)
class Survey:
    """All operators in order, and what holds for the model as a whole.

    Attributes:
        facts: numbers and words for people, by what they are about.
        notes: what to keep in mind, a sentence each.
        device: the profile that predicts its latency; empty where the target itself says.
    """

    places: Sequence[Place]
    facts: Mapping[str, str]
    notes: Sequence[str] = ()
    device: str = ""

    @property
    def accelerated(self) -> int:
        """The number of operators on the accelerator."""
        return sum(place.is_accelerated for place in self.places)

    @property
    def maps_whole(self) -> bool:
        return self.accelerated == len(self.places)

    def as_json(self) -> dict[str, Any]:
        return {
            "operators": [
                {
                    "layer": place.layer,
                    "operator": place.operator,
                    "where": place.where,
                    "why": place.why,
                    "instead": place.instead,
                    **place.numbers,
                }
                for place in self.places
            ],
            "facts": dict(self.facts),
            "notes": list(self.notes),
        }


def layer_of(source: Op | None, name: str) -> str:
    """What the user calls the layer of an op; the name of the artifact's tensor without one."""
    if source is None or not source.loc:
        return name
    return source.loc[-1] if len(source.loc) == 1 else f"{source.loc[0]} … {source.loc[-1]}"
