"""One test per invariant of ``ir/verify.py``: each breaks that one alone, behind the Rewriter's
back, and finds it named."""

from __future__ import annotations

import importlib
import re

import pytest

from edgec.ir import (
    ANY,
    Error,
    Finding,
    Graph,
    Kind,
    Op,
    Return,
    Types,
    Value,
    operand,
    parse_graph,
)
from edgec.ir import verify as check
from edgec.ir.ops import Relu
from edgec.ir.verify import INVARIANTS, violations

CHAIN = """graph g(%x: f32[2,3], %u: f32[2,3]) {
  %a = act.relu %x
  %b = math.add %a, %u
  return y=%b
}"""
LOOSE = """graph g(%x: f32[2]) {
  %a = act.relu %x
  %b = act.relu %a
  return y=%b
}"""


class Nest(Op):
    """An op of the tests that carries regions."""

    x: Value = operand()

    def infer(self) -> Types:
        return (self.x.type,)


def broken_by(graph: Graph) -> set[str]:
    """Names of the invariants that do not hold."""
    return {invariant.__name__ for invariant in INVARIANTS if list(invariant(graph))}


def messages(graph: Graph) -> list[str]:
    with pytest.raises(Error) as caught:
        check(graph, after="a test")
    assert caught.value.kind is Kind.VERIFY
    return [finding.message for finding in caught.value.findings]


def first(graph: Graph) -> Op:
    assert graph.first is not None
    return graph.first


def nested() -> tuple[Graph, Graph]:
    """A graph with a region that reads a value from outside."""
    graph = parse_graph(LOOSE)
    region = parse_graph("graph body() { return f32[1](1) }")
    anchor = first(graph).next
    graph._link(Nest(graph.inputs[0], regions=[region]), anchor)
    return graph, region


def test_a_sound_graph_breaks_nothing() -> None:
    graph, _ = nested()
    assert broken_by(graph) == set()
    check(graph)


def test_every_invariant_is_named_in_the_opening_list() -> None:
    text = importlib.import_module("edgec.ir.verify").__doc__ or ""
    listed = re.findall(r"^ \d\. (\w+):", text, re.MULTILINE)
    assert listed == [invariant.__name__ for invariant in INVARIANTS]


def test_ends_a_graph_without_return() -> None:
    graph = parse_graph(CHAIN)
    graph._unlink(graph.terminator)
    assert broken_by(graph) == {"ends"}


def test_ends_a_second_return_in_the_middle() -> None:
    graph = parse_graph(CHAIN)
    graph._link(Return((graph.inputs[0],), names=("early",)), first(graph))
    assert broken_by(graph) == {"ends"}
    assert "found 2" in messages(graph)[0]


def test_links_an_op_that_believes_it_is_elsewhere() -> None:
    graph = parse_graph(CHAIN)
    first(graph).graph = Graph("other")
    assert [f.message for f in violations(graph)] == [
        "is listed in a graph that it is not linked into"
    ]


def test_links_a_predecessor_that_is_not_the_one_before() -> None:
    graph = parse_graph(CHAIN)
    graph.terminator._prev = None
    assert broken_by(graph) == {"links"}


def test_links_a_last_op_that_is_not_the_last() -> None:
    graph = parse_graph(CHAIN)
    graph.terminator._next = stray = Relu(graph.inputs[0])
    stray.graph, stray._prev = graph, graph.terminator
    graph.inputs[0]._add_use(stray)
    assert "links" in broken_by(graph)


def test_owners_a_result_that_names_another_producer() -> None:
    graph = parse_graph(LOOSE)
    first(graph).result.index = 1
    assert broken_by(graph) == {"owners"}


def test_owners_an_input_of_another_graph() -> None:
    graph = parse_graph(CHAIN)
    graph.inputs[1].owner = Graph("other")
    assert broken_by(graph) == {"owners"}


def test_dominance_an_op_that_reads_a_later_one() -> None:
    graph = parse_graph(LOOSE)
    early = first(graph)
    late = early.next
    assert late is not None
    graph.inputs[0]._drop_use(early)
    early._operands[0] = late.result
    late.result._add_use(early)
    assert broken_by(graph) == {"dominance"}
    assert "is read before it is defined" in messages(graph)[0]


def test_dominance_a_value_that_only_a_region_defines() -> None:
    graph, region = nested()
    inner = Relu(graph.inputs[0])
    region._link(inner, region.terminator)
    assert broken_by(graph) == set()
    last = graph.terminator
    graph._unlink(last)
    graph._link(Return((inner.result,), names=("y",)), None)
    assert broken_by(graph) == {"dominance"}


def test_uses_a_slot_that_is_not_in_the_use_list() -> None:
    graph = parse_graph(LOOSE)
    graph.inputs[0]._users = None
    assert broken_by(graph) == {"uses"}


def test_uses_a_use_list_that_remembers_an_erased_op() -> None:
    graph = parse_graph(LOOSE)
    graph.inputs[0]._add_use(Relu(graph.inputs[0]))
    assert broken_by(graph) == {"uses"}


def test_uses_one_reader_counted_twice() -> None:
    graph = parse_graph(LOOSE)
    graph.inputs[0]._add_use(first(graph))
    assert broken_by(graph) == {"uses"}


def test_types_a_result_of_another_shape() -> None:
    graph = parse_graph(CHAIN)
    result = first(graph).result
    result.type = result.type.with_dims((3, 2))
    assert broken_by(graph) == {"types"}
    assert any("[2,3]" in message and "[3,2]" in message for message in messages(graph))


def test_types_an_op_whose_check_fails() -> None:
    graph = parse_graph(
        "graph g(%x: f32[A,B]) { %y = move.reshape %x, to=[<A>,<B>] : f32[A,B]  return y=%y }"
    )
    first(graph)._attributes["to"] = (graph.inputs[0].type.dims[1], graph.inputs[0].type.dims[1])
    assert broken_by(graph) <= {"types"}
    first(graph)._attributes["to"] = tuple(parse_graph(
        "graph g(%x: f32[C,D]) { return y=%x }").inputs[0].type.dims)  # fmt: skip
    assert broken_by(graph) == {"types"}
    assert any("do not follow from" in message for message in messages(graph))


def test_types_a_return_with_more_values_than_names() -> None:
    graph = parse_graph(CHAIN)
    graph.terminator._attributes["names"] = ("y", "z")
    assert broken_by(graph) == {"types", "names"}


def test_symbols_a_dim_without_a_name() -> None:
    graph = parse_graph("graph g(%x: f32[N]) { %y = act.relu %x : f32[N]  return y=%y }")
    first(graph).result.type = first(graph).result.type.with_dims((ANY,))
    assert broken_by(graph) == {"symbols"}


def test_regions_a_region_that_belongs_to_another_op() -> None:
    graph, region = nested()
    region.parent = first(graph)
    assert broken_by(graph) == {"regions"}


@pytest.mark.parametrize("hints", [("x", "x"), ("", "u")])
def test_names_inputs_without_a_name_of_their_own(hints: tuple[str, str]) -> None:
    graph = parse_graph(CHAIN)
    for value, hint in zip(graph.inputs, hints, strict=True):
        value.hint = hint
    assert broken_by(graph) == {"names"}


def test_names_an_output_without_a_name() -> None:
    graph = parse_graph(CHAIN)
    graph.terminator._attributes = {}
    assert broken_by(graph) == {"names"}


def test_all_violations_are_reported_at_once_with_their_source() -> None:
    graph = parse_graph(CHAIN.replace("%x\n", '%x : f32[2,3] loc("conv1")\n'))
    result = first(graph).result
    result.type = result.type.with_dims((3, 2))
    graph.inputs[1].hint = ""
    found: list[Finding] = list(violations(graph))
    assert len(found) >= 2
    assert any("conv1" in finding.where for finding in found)
    with pytest.raises(Error, match="after prune"):
        check(graph, after="prune")
