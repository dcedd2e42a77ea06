"""Two graphs as text, line by line: what a rewrite removed and what it put there."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Hashable

from edgec.ir import Constant, Graph, Op, print_graph

CONTEXT = 2


def text_diff(before: Graph, after: Graph) -> str:
    """A unified diff of the brief texts, "" for equal ones."""
    lines = difflib.unified_diff(
        print_graph(before, brief=True).splitlines(),
        print_graph(after, brief=True).splitlines(),
        "before",
        "after",
        lineterm="",
        n=CONTEXT,
    )
    return "\n".join(lines)


def layers_between(before: Graph, after: Graph) -> tuple[str, ...]:
    """Source layers of the ops that only one of the two graphs has, in order."""
    old, new = Counter(map(_key, before.walk)), Counter(map(_key, after.walk))
    changed = (old - new) + (new - old)
    found: dict[str, None] = {}
    for graph in (before, after):
        for op in graph.walk:
            if _key(op) in changed:
                found.update(dict.fromkeys(op.loc))
    return tuple(found)


def _key(op: Op) -> Hashable:
    """Equal for ops that print alike."""
    operands = tuple(repr(v.type) if isinstance(v, Constant) else v and v.hint for v in op.operands)
    return op.op_name, repr(op.attributes), operands, tuple(r.hint for r in op.results), op.loc
