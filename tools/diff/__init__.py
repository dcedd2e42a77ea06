"""What differs between two graphs, in words: matched by structure, names, locations and weights."""

from edgec.tools.diff.changes import Change, GraphDiff, diff_graphs

__all__ = ["Change", "GraphDiff", "diff_graphs"]
