"""Rules whose replacement is made while they are checked."""

from __future__ import annotations

from collections.abc import Sequence

from edgec.ir import Op, OpError, Rewriter, Value
from edgec.passes.pattern import Match, Pattern


class Fusion(Pattern):
    """Base of the rules that find out whether they apply by making the op that takes the root's
    place. Making an op changes no graph.

    A replacement of another type, or that is no legal op, is refused in those words: a constant of
    more dims may have enlarged the result.
    """

    def fused(self, m: Match) -> Op | str:
        """The op that takes the place of the root, or why there is none."""
        raise NotImplementedError

    def check(self, m: Match) -> str | None:
        try:
            found = self.fused(m)
        except OpError as error:
            return str(error)
        if isinstance(found, str):
            return found
        if found.result.type != m.root.result.type:
            return f"the result is {m.root.result.type}, not {found.result.type}"
        m.captures["made"] = found
        return None

    def build(self, m: Match, rw: Rewriter) -> Value | Sequence[Value]:
        made: Op = m.made
        return rw.add(made).results


def with_source(op: Op, x: Value) -> Op:
    """The op with another first operand."""
    return op.copy(operands=[x, *op.operands[1:]])
