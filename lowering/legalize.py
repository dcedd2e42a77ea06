"""Making a graph legal for a target, or refusing all that cannot go there in one message."""

from __future__ import annotations

from edgec.ir import Error, Graph, Kind, counted
from edgec.lowering.target import Target


def legalize(graph: Graph, target: Target) -> None:
    """Rewrite what the target's format cannot say, in place.

    Raises:
        Error: of kind UNSUPPORTED, with one finding per op that remains.
    """
    target.legalize(graph)
    findings = target.refused(graph)
    if findings:
        count = counted(len(findings), "op")
        raise Error(Kind.UNSUPPORTED, f"{count} cannot go to {target.name!r}", findings)
