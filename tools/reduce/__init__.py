"""Shrinking a model to the smallest one on which a check still fails."""

from edgec.tools.reduce.reducer import Reduced, reduce_graph

__all__ = ["Reduced", "reduce_graph"]
