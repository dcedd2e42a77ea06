"""The Rewriter: what each edit does, what it refuses, and who is told."""

from __future__ import annotations

import pytest

from edgec.ir import (
    Builder,
    Constant,
    Graph,
    IllegalRewrite,
    Op,
    Rewriter,
    TensorType,
    Value,
    dtypes,
    known_ints,
    parse_graph,
    verify,
)
from edgec.ir.ops import Add, DimsOf, Neg, Relu, Sigmoid
from edgec.ir.rewriter import merged

CHAIN = """graph g(%x: f32[2,3]) {
  %a = act.relu %x : f32[2,3] loc("first")
  %b = math.add %a, %a : f32[2,3] loc("second")
  %c = act.sigmoid %b : f32[2,3] loc("third")
  return y=%c
}"""


class Recorder:
    """A listener that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def inserted(self, op: Op) -> None:
        self.told.append(("inserted", op.op_name))

    def erased(self, op: Op) -> None:
        self.told.append(("erased", op.op_name))

    def changed(self, op: Op) -> None:
        self.told.append(("changed", op.op_name))

    def use_changed(self, op: Op) -> None:
        self.told.append(("use_changed", op.op_name))


def chain() -> tuple[Graph, list[Op]]:
    graph = parse_graph(CHAIN)
    return graph, list(graph.ops)


def names(graph: Graph) -> list[str]:
    return [op.op_name for op in graph.ops]


# -- replacing ----------------------------------------------------------------------------------


def test_replace_lets_every_use_read_the_new_value_and_erases_the_op() -> None:
    graph, (relu, add, _) = chain()
    Rewriter(graph).replace(relu, graph.inputs[0])
    assert names(graph) == ["math.add", "act.sigmoid"]
    assert list(add.operands) == [graph.inputs[0]] * 2
    verify(graph)


def test_replace_keeps_the_order_and_number_of_uses() -> None:
    graph, (relu, add, _) = chain()
    x = graph.inputs[0]
    Rewriter(graph).replace(relu, x)
    assert [(use.op, use.index) for use in x.uses] == [(add, 0), (add, 1)]
    assert (x.use_count, x.user_count, relu.result.is_used) == (2, 1, False)


def test_replace_gives_its_name_to_a_value_without_one() -> None:
    graph, (relu, _, _) = chain()
    rewriter = Rewriter(graph).at(relu)
    fresh = rewriter.add(Neg(graph.inputs[0]))
    rewriter.replace(relu, fresh.result)
    assert fresh.result.hint == "a"


def test_replace_leaves_a_name_that_is_there() -> None:
    graph, (relu, _, _) = chain()
    Rewriter(graph).replace(relu, graph.inputs[0])
    assert graph.inputs[0].hint == "x"


def test_replace_refuses_another_type_and_leaves_the_graph_alone() -> None:
    graph, (relu, _, _) = chain()
    before = str(graph), graph.version
    other = Rewriter(graph).add_input("u", TensorType(dtypes.f32, (3, 2)))
    with pytest.raises(IllegalRewrite, match=r"f32\[2,3\] is replaced by one of f32\[3,2\]"):
        Rewriter(graph).replace(relu, other)
    assert str(graph).replace(", %u: f32[3,2]", "") == before[0]


def test_replace_refuses_another_dtype() -> None:
    graph, (relu, _, _) = chain()
    other = Rewriter(graph).add_input("u", TensorType(dtypes.f16, (2, 3)))
    with pytest.raises(IllegalRewrite):
        Rewriter(graph).replace_uses(relu.result, other)


def test_replace_refuses_another_number_of_values() -> None:
    graph, (relu, _, _) = chain()
    with pytest.raises(IllegalRewrite, match="1 results, 2 replacements"):
        Rewriter(graph).replace(relu, graph.inputs[0], graph.inputs[0])


def test_replace_refuses_the_ops_own_result() -> None:
    graph, (relu, _, _) = chain()
    with pytest.raises(IllegalRewrite, match="its own result"):
        Rewriter(graph).replace(relu, relu.result)
    verify(graph)


def test_replace_accepts_dims_that_could_be_equal() -> None:
    graph = parse_graph("graph g(%x: f32[N], %u: f32[4]) { %y = act.relu %x  return y=%y }")
    (relu,) = graph.ops
    Rewriter(graph).replace(relu, graph.inputs[1])
    verify(graph)


def test_replace_with_puts_the_new_op_where_the_old_one_was() -> None:
    graph, (_, add, _) = chain()
    Rewriter(graph).replace_with(add, Neg(add.operands[0]))
    assert names(graph) == ["act.relu", "math.neg", "act.sigmoid"]
    verify(graph)


def test_set_operand_refuses_another_type() -> None:
    graph, (_, add, _) = chain()
    other = Rewriter(graph).add_input("u", TensorType(dtypes.i32, (2, 3)))
    with pytest.raises(IllegalRewrite, match="i32"):
        Rewriter(graph).set_operand(add, 0, other)


# -- erasing ------------------------------------------------------------------------------------


def test_erase_refuses_an_op_in_use() -> None:
    graph, (relu, _, _) = chain()
    with pytest.raises(IllegalRewrite, match="%a is in use"):
        Rewriter(graph).erase(relu)
    verify(graph)


def test_erase_drops_what_the_op_used() -> None:
    graph, (relu, _, _) = chain()
    extra = Rewriter(graph).add(Neg(relu.result))
    Rewriter(graph).erase(extra)
    assert extra not in relu.result.users
    assert extra.graph is None
    verify(graph)


def test_an_erased_op_is_no_insertion_point() -> None:
    graph, (relu, _, _) = chain()
    rewriter = Rewriter(graph).at(relu)
    rewriter.replace(relu, graph.inputs[0])
    with pytest.raises(IllegalRewrite, match="which was erased"):
        rewriter.add(Neg(graph.inputs[0]))
    verify(graph)


# -- inserting ----------------------------------------------------------------------------------


def test_add_inserts_before_the_return_without_an_insertion_point() -> None:
    graph, _ = chain()
    Rewriter(graph).add(Neg(graph.inputs[0]))
    assert names(graph)[-1] == "math.neg"
    verify(graph)


def test_a_rewriter_at_an_op_inserts_before_it_and_inherits_its_locations() -> None:
    graph, (_, add, _) = chain()
    made = Rewriter(graph).at(add).add(Neg(graph.inputs[0], loc=("mine",)))
    assert made.next is add
    assert made.loc == ("mine", "second")


def test_locate_adds_locations_to_all_that_is_inserted_from_then_on() -> None:
    graph, (relu, add, _) = chain()
    rewriter = Rewriter(graph).at(add)
    rewriter.locate(relu.loc)
    assert rewriter.add(Neg(graph.inputs[0])).loc == ("first", "second")


def test_locations_merge_in_order_without_repetition() -> None:
    assert merged(("a", "b"), ("b", "c", "a")) == ("a", "b", "c")
    assert merged((), ("a",)) == ("a",)


def test_a_second_return_is_refused() -> None:
    graph, _ = chain()
    with pytest.raises(IllegalRewrite, match="has a return already"):
        Rewriter(graph).finish([graph.inputs[0]], ["z"])


# -- version and listener -----------------------------------------------------------------------


def test_every_kind_of_edit_bumps_the_version() -> None:
    graph, (relu, add, sigmoid) = chain()
    rewriter = Rewriter(graph)
    seen = [graph.version]
    fresh = rewriter.add(Neg(graph.inputs[0]), before=relu)
    seen.append(graph.version)
    rewriter.set_operand(add, 1, fresh.result)
    seen.append(graph.version)
    rewriter.replace(sigmoid, fresh.result)
    seen.append(graph.version)
    rewriter.erase(add)
    seen.append(graph.version)
    rewriter.refine(fresh.result, fresh.result.type)
    seen.append(graph.version)
    assert seen == sorted(set(seen))


def test_an_edit_in_a_region_bumps_the_versions_of_the_graphs_around_it() -> None:
    outer = Graph("outer")
    region = Graph("body", enclosing=outer)
    before = outer.version
    Rewriter(region).add_input("x", TensorType(dtypes.f32, (1,)))
    assert outer.version > before


def test_reading_does_not_bump_the_version() -> None:
    graph, _ = chain()
    before = graph.version
    verify(graph)
    str(graph.clone())
    assert graph.version == before


def test_the_listener_hears_of_insertions_changes_and_erasures() -> None:
    graph, (relu, _, _) = chain()
    listener = Recorder()
    Rewriter(graph, listener=listener).replace_with(relu, Neg(graph.inputs[0]))
    assert ("inserted", "math.neg") in listener.told
    assert ("changed", "math.add") in listener.told
    assert listener.told[-1] == ("erased", "act.relu")


def test_the_listener_hears_that_a_producer_lost_a_use() -> None:
    graph, (relu, _, sigmoid) = chain()
    listener = Recorder()
    Rewriter(graph, listener=listener).replace(sigmoid, relu.result)
    assert ("use_changed", "math.add") in listener.told
    assert ("use_changed", "act.relu") in listener.told


def test_a_type_can_be_refined_but_not_contradicted() -> None:
    graph = parse_graph("graph g(%x: f32[N,3]) { %y = act.relu %x  return y=%y }")
    x = graph.inputs[0]
    Rewriter(graph).refine(x, TensorType(dtypes.f32, (4, 3)))
    assert str(x.type) == "f32[4,3]"
    with pytest.raises(IllegalRewrite):
        Rewriter(graph).refine(x, TensorType(dtypes.f32, (4, 5)))


def test_contents_follow_an_operand_that_is_replaced() -> None:
    b = Builder()
    x = b.input("x", dtypes.f32, (2, 3))
    u = b.input("u", dtypes.f32, (4, 5))
    dims = b.add(DimsOf(x))
    doubled = b.add(Add(dims.result, dims.result))
    graph = b.output(y=doubled.result)
    assert known_ints(doubled.result) == (4, 6)
    other = Rewriter(graph).at(dims).add(DimsOf(u))
    Rewriter(graph).replace(dims, other.result)
    assert known_ints(doubled.result) == (8, 10)


# -- editing while iterating: the paragraph in graph.py -------------------------------------------


def test_an_op_erased_before_it_is_reached_is_skipped() -> None:
    graph, (_, add, _) = chain()
    seen = []
    for op in graph.ops:
        seen.append(op.op_name)
        if op.op_name == "act.relu":
            Rewriter(graph).replace(add, op.result)
    assert seen == ["act.relu", "act.sigmoid"]


def test_an_op_inserted_after_the_current_one_is_visited() -> None:
    graph, (_, add, _) = chain()
    seen = []
    for op in graph.ops:
        seen.append(op.op_name)
        if op.op_name == "act.relu":
            Rewriter(graph).add(Neg(op.result), before=add)
    assert seen == ["act.relu", "math.neg", "math.add", "act.sigmoid"]


def test_an_op_inserted_before_the_current_one_is_not_visited() -> None:
    graph, _ = chain()
    seen = []
    for op in graph.ops:
        seen.append(op.op_name)
        if op.op_name == "math.add":
            Rewriter(graph).add(Neg(graph.inputs[0]), before=op)
    assert seen == ["act.relu", "math.add", "act.sigmoid"]


def test_after_the_current_op_is_replaced_comes_what_followed_it_then() -> None:
    graph, (_, add, sigmoid) = chain()
    seen = []
    for op in graph.ops:
        seen.append(op.op_name)
        if op is add:
            source = op.operands[0]
            assert source is not None
            Rewriter(graph).replace(op, source)
            Rewriter(graph).replace_with(sigmoid, Sigmoid(source))
    assert seen == ["act.relu", "math.add"]
    assert names(graph) == ["act.relu", "act.sigmoid"]
    verify(graph)


def test_erasing_every_op_while_iterating_visits_each_once() -> None:
    b = Builder()
    x = b.input("x", dtypes.f32, (1,))
    for _ in range(5):
        b.add(Relu(x))
    graph = b.output(y=x)
    count = 0
    for op in graph.ops:
        Rewriter(graph).erase(op)
        count += 1
    assert (count, len(graph)) == (5, 0)


# -- values ---------------------------------------------------------------------------------------


def test_a_constant_is_read_only() -> None:
    import numpy as np

    data = np.zeros(3, np.float32)
    constant = Constant(data)
    with pytest.raises(ValueError, match="read-only"):
        constant.array[0] = 1
    data[0] = 1  # the owner's own array stays writable
    assert isinstance(constant, Value)
