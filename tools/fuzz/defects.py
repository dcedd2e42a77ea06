"""What ONNX Runtime is known to compute wrongly; the evidence is in docs/onnxruntime.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgec.ir import Graph, Op


@dataclass(frozen=True)
class Defect:
    """A defect, and the ops that meet it. The name is that of its heading in the docs."""

    name: str
    meets: Callable[[Op], bool]


DEFECTS: tuple[Defect, ...] = ()


def defect_in(graph: Graph) -> Defect | None:
    """A known defect that some op of the graph meets."""
    for op in graph.walk:
        for defect in DEFECTS:
            if defect.meets(op):
                return defect
    return None
