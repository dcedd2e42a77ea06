"""Patterns: match, check, build.

A pattern is written as the ops it replaces, last op first:

    class FuseMulAdd(Pattern):
        '''x * 1 + y  ->  x + y'''
        match = node(Add, node(Mul, var("x"), scalar(1.0)) @ "mul", var("y")) @ "add"

        def build(self, m: Match, rw: Rewriter) -> Value:
            return rw.add(m.add.copy(x=m.x)).result

Patterns are *closed*: an attribute that is not mentioned must hold its default, an optional operand
that is not mentioned must be absent, and nothing outside the match may read an interior op. What
breaks only such a rule is a near miss, counted with its reason: a missed fusion, never a wrong
model. ``attrs=CARRY`` admits any attributes; ``build`` then starts from ``m.op.copy(…)``, which
carries every one of them.
"""

from edgec.passes.pattern.explain import Trace, explain, explain_misses
from edgec.passes.pattern.match import ELSEWHERE, Match, Miss
from edgec.passes.pattern.nodes import CARRY, NodePattern, RootPattern, either_root, loose, node
from edgec.passes.pattern.rule import Pattern, try_match
from edgec.passes.pattern.values import (
    ANY,
    CONST,
    ValuePattern,
    const,
    either,
    maybe,
    same,
    same_constant,
    scalar,
    uniform,
    var,
)

__all__ = [
    "ANY",
    "CARRY",
    "CONST",
    "ELSEWHERE",
    "Match",
    "Miss",
    "NodePattern",
    "Pattern",
    "RootPattern",
    "Trace",
    "ValuePattern",
    "const",
    "either",
    "either_root",
    "explain",
    "explain_misses",
    "loose",
    "maybe",
    "node",
    "same",
    "same_constant",
    "scalar",
    "try_match",
    "uniform",
    "var",
]
