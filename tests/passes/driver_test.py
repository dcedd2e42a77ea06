"""What the greedy driver promises to rules: a clean graph after each rewrite, and an end."""

from __future__ import annotations

import pytest

from edgec.ir import Error, Rewriter, Value, parse_graph, print_graph, verify
from edgec.ir.ops import Neg, Relu, Reshape, Tanh
from edgec.passes import Match, Pattern, Statistics, apply_patterns, maybe, node, var
from edgec.passes.pattern import ANY, CARRY, ELSEWHERE


class NegTwice(Pattern):
    """-(-x) -> x"""

    match = node(Neg, node(Neg, var("x"), shared=True))

    def build(self, m: Match, rw: Rewriter) -> Value:
        x: Value = m.x
        return x


def test_what_only_the_replaced_ops_read_is_erased() -> None:
    graph = parse_graph("""graph(%x: f32[2]) {
      %a = act.tanh %x  %b = math.neg %a  %c = math.neg %b  %d = math.neg %c
      return y=%x, z=%d
    }""")
    assert apply_patterns(graph, [NegTwice()]) == 1
    assert [op.op_name for op in graph.ops] == ["act.tanh", "math.neg"]
    verify(graph)


class Again(Pattern):
    """reshape(x, shape) -> reshape(x, shape)  by another op"""

    match = node(Reshape, var("x"), maybe(ANY), attrs=CARRY) @ "reshape"

    def __init__(self) -> None:
        self.done = False

    def check(self, m: Match) -> str | None:
        return ELSEWHERE if self.done else None

    def build(self, m: Match, rw: Rewriter) -> Value:
        self.done = True
        return rw.add(Reshape(m.x, m.reshape.shape)).result


def test_a_new_result_keeps_the_symbols_that_readers_know() -> None:
    graph = parse_graph("""graph(%x: f32[N], %s: i64[2]) {
      %a = move.reshape %x, %s
      %y = act.relu %a
      return y=%y
    }""")
    before = print_graph(graph, brief=True)
    assert apply_patterns(graph, [Again()]) == 1
    assert print_graph(graph, brief=True) == before


class Picky(Pattern):
    """relu(x) -> x  never"""

    match = node(Relu, var("x")) @ "relu"

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def check(self, m: Match) -> str | None:
        return self.reason


@pytest.mark.parametrize(("reason", "counted"), [("not today", 1), (ELSEWHERE, 0)])
def test_elsewhere_is_no_near_miss(reason: str, counted: int) -> None:
    graph = parse_graph("graph(%x: f32[2]) { %y = act.relu %x  return y=%y }")
    statistics = Statistics()
    assert apply_patterns(graph, [Picky(reason)], statistics) == 0
    assert sum(statistics.near_misses.values()) == counted


class ReluToTanh(Pattern):
    """relu(x) -> tanh(x)"""

    match = node(Relu, var("x"))

    def build(self, m: Match, rw: Rewriter) -> Value:
        return rw.add(Tanh(m.x)).result


class TanhToRelu(Pattern):
    """tanh(x) -> relu(x)"""

    match = node(Tanh, var("x"))

    def build(self, m: Match, rw: Rewriter) -> Value:
        return rw.add(Relu(m.x)).result


def test_a_circle_of_rules_ends_and_is_named() -> None:
    graph = parse_graph("graph(%x: f32[2]) { %y = act.relu %x  return y=%y }")
    with pytest.raises(Error, match="did not come to an end") as caught:
        apply_patterns(graph, [ReluToTanh(), TanhToRelu()])
    assert "ReluToTanh" in str(caught.value)
    assert "TanhToRelu" in str(caught.value)
