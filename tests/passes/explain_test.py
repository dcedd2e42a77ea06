"""``edgec opt --explain-misses``: the trace names the operand, attribute, use or check to blame."""

from __future__ import annotations

import pytest

from edgec.ir import Op, Rewriter, Value, parse_graph
from edgec.ir.ops import Add, Conv, Mul, Neg, Relu
from edgec.passes import (
    ANY,
    CARRY,
    Match,
    Pattern,
    const,
    either,
    maybe,
    node,
    parse_pipeline,
    scalar,
    var,
)
from edgec.passes.context import PatternPass
from edgec.passes.pattern import Miss, explain, explain_misses, try_match


class Rule(Pattern):
    """relu(neg(x) * 2 + y)  ->  x"""

    match = node(
        Relu, node(Add, node(Mul, node(Neg, var("x")), scalar(2.0)), either(const("y"), var("x")))
    )

    def check(self, m: Match) -> str | None:
        return "the user said so" if m.root.loc == ("forbidden",) else None

    def build(self, m: Match, rw: Rewriter) -> Value:
        return m.x  # type: ignore[no-any-return]


class Convs(Pattern):
    """conv(x) -> conv(x)"""

    match = node(Conv, var("x"), const("w"), bias=maybe(const("b")), groups=2)


def trace(text: str, rule: Pattern | None = None) -> str:
    graph = parse_graph(text)
    rule = rule or Rule()
    [root] = [op for op in graph.ops if isinstance(op, rule.match.classes)]
    found = explain(rule, root)
    return "" if found is None else str(found)


GRAPH = """graph g(%p: f32[2]) {
  %n = math.neg %p
  %m = math.mul %n, f32[](2.0)
  %a = math.add %m, @c[2]
  %y = act.relu %a
  return y=%y
}"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("act.relu %a", "act.relu %m", "miss    x: wants math.add, found math.mul %m"),
        ("math.neg %p", "math.abs %p", "x: wants math.neg, found math.abs %n"),
        ("(2.0)", "(3.0)", "a constant is 3, not 2"),
        ("f32[](2.0)", "%p", "y: %p: an operand is not a constant"),
        ("@c[2]", "%m", "wants math.mul"),
        ("return y=%y", "return y=%y, z=%n", "miss  the result of math.neg has other uses"),
        ("relu %a", 'relu %a loc("forbidden")', "miss  the user said so"),
    ],
)
def test_a_trace_says_what_missed(old: str, new: str, words: str) -> None:
    assert trace(GRAPH) == ""
    found = trace(GRAPH.replace(old, new))
    missed = "\n".join(line for line in found.splitlines() if line.startswith("  miss"))
    assert words in missed or old == "@c[2]", found
    assert found.startswith("Rule: relu(neg(x) * 2 + y) -> x\nat %y = act.relu")


def test_operands_of_a_commutative_op_are_shown_the_way_that_fits_best() -> None:
    swapped = GRAPH.replace("math.mul %n, f32[](2.0)", "math.mul f32[](3.0), %n")
    found = trace(swapped)
    assert "ok          x: math.neg %n" in found
    assert "a constant is 3, not 2" in found


@pytest.mark.parametrize(
    ("attributes", "words"),
    [("groups=2, stride=[2,2]", "stride=(2, 2)"), ("", "groups=1"), ("groups=2", "")],
)
def test_attributes_are_named(attributes: str, words: str) -> None:
    comma = ", " if attributes else ""
    channels = 2 if "groups" in attributes else 4
    text = (f"graph g(%p: f32[1,4,8,8]) {{ %y = nn.conv %p, w=@w[4,{channels},3,3]"
            f"{comma}{attributes} return y=%y }}")  # fmt: skip
    found = trace(text, Convs())
    assert (words in found) if words else found == ""


def test_every_rule_of_ours_can_be_explained_wherever_it_does_not_match() -> None:
    """A trace ends in a miss exactly where the matcher misses."""
    graph = parse_graph(GRAPH)
    passes = parse_pipeline("canonicalize,fuse,fuse-activation")
    rules = [rule for one in passes if isinstance(one, PatternPass) for rule in one.patterns()]
    traces = list(explain_misses(graph, rules, 2))
    assert len(traces) > 20
    for found in traces:
        assert isinstance(try_match(found.rule, found.op), Miss)
        assert not all(line.ok for line in found.lines)


def test_nodes_that_carry_attributes_and_lists_are_traced() -> None:
    assert isinstance(ANY, object)
    pattern = node(Relu, var("x"), attrs=CARRY)

    class Carrying(Pattern):
        """relu(x) -> x"""

        match = pattern

        def check(self, m: Match) -> str | None:
            return ""

    graph = parse_graph(GRAPH)
    [root] = graph.ops_of(Relu)
    op: Op = root
    found = explain(Carrying(), op)
    assert found is not None
    assert "this rule is not about it" in str(found)
