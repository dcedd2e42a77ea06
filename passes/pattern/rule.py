"""Rewrite rules: a pattern, a check with a reason, a replacement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from edgec.ir import Op, Rewriter, Value
from edgec.passes.pattern.match import ELSEWHERE, Match, Miss
from edgec.passes.pattern.nodes import RootPattern


class Pattern:
    """A rewrite rule. The docstring's first line is its formula.

    Attributes:
        match: the ops to replace; its root is the last of them.
    """

    match: ClassVar[RootPattern]

    def check(self, m: Match) -> str | None:
        """Why this match must be left alone, None when it may be rewritten; ``ELSEWHERE`` when it
        is none of the rule's business and not to be counted as a near miss."""
        return None

    def build(self, m: Match, rw: Rewriter) -> Value | Sequence[Value | None]:
        """Insert the replacement before the root and return what takes the place of the root's
        results (None for one that nobody reads)."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        return type(self).__name__

    @classmethod
    def formula(cls) -> str:
        """First paragraph of the docstring, on one line."""
        return " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())


def try_match(pattern: Pattern, root: Op) -> Match | Miss:
    """Match a pattern at an op, closedness and ``check`` included."""
    match = Match(root)
    miss = pattern.match.match_op(root, match)
    if miss is None and match.interior:
        miss = _exposed(match, root)
    if miss is not None:
        return miss
    reason = pattern.check(match)
    return match if reason is None else Miss(reason, near=reason != ELSEWHERE)


def _exposed(match: Match, root: Op) -> Miss | None:
    """A miss when something outside the match sees one of its interior ops."""
    inside = {root, *match.interior}
    kept = {found for found in match.captures.values() if isinstance(found, Value)}
    for op in match.interior:
        if op.graph is not root.graph:
            return Miss(f"{op.op_name} stands in another graph", near=True)
        for result in op.results:
            if result in kept or not inside.issuperset(result.users):
                return Miss(f"the result of {op.op_name} has other uses", near=True)
    return None
