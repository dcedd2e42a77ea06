"""Running graphs: what is asked of inputs, and where results are put."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from properties.graphs import graphs, inputs_of

from edgec.ir import Builder, Error, Graph, Kind, dtypes, parse_graph
from edgec.ir.ops import Add, Relu
from edgec.kernels import Executor, plan_buffers, run, seeded_inputs

PRODUCT = "graph g(%x: f32[N*M], %a: f32[N], %b: f32[M]) { %y = act.relu %x  return %y }"


def arrays(**sizes: int) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float32]]]:
    return {name: np.zeros(size, np.float32) for name, size in sizes.items()}


def test_symbols_must_agree_over_all_inputs() -> None:
    graph = parse_graph(PRODUCT)
    assert run(graph, arrays(x=6, a=2, b=3))["y"].shape == (6,)
    with pytest.raises(Error, match="is 6 elsewhere, 7 here"):
        run(graph, arrays(x=7, a=2, b=3))


@pytest.mark.parametrize("given_names", [("x", "a"), ("x", "a", "b", "c")])
def test_inputs_missing_and_unknown_are_named(given_names: tuple[str, ...]) -> None:
    with pytest.raises(Error, match="inputs missing") as caught:
        run(parse_graph(PRODUCT), arrays(**dict.fromkeys(given_names, 1)))
    assert caught.value.kind is Kind.USAGE


def test_random_inputs_of_a_negative_size_are_refused() -> None:
    graph = parse_graph("graph g(%x: f32[N-4]) { %y = act.relu %x  return %y }")
    with pytest.raises(Error, match="negative size where N=1"):
        seeded_inputs(graph)
    assert seeded_inputs(graph, shapes={"N": 6})["x"].shape == (2,)


def test_results_do_not_change_in_the_next_run() -> None:
    executor = Executor(parse_graph("graph g(%x: f32[3]) { %y = act.relu %x  return %y }"))
    first = executor.run([np.ones(3, np.float32)])["y"]
    executor.run([np.zeros(3, np.float32)])
    assert first.tolist() == [1, 1, 1]


def long_chain(length: int) -> Graph:
    b = Builder()
    value = first = b.input("x", dtypes.f32, (16,))
    for _ in range(length):
        value = b.add(Add(b.add(Relu(value)).result, value)).result
    return b.output(y=b.add(Add(value, first)).result)


def test_a_chain_needs_three_places_however_long_it_is() -> None:
    assert (
        plan_buffers(long_chain(10), {}).arena_bytes
        == plan_buffers(long_chain(500), {}).arena_bytes
    )


@settings(max_examples=40)
@given(graphs())
def test_what_lives_at_the_same_time_has_its_own_place(graph: Graph) -> None:
    plan = Executor(graph).plan(inputs_of(graph))
    slots = [slot for value, slot in plan.slots.items() if slot.size and value not in plan.views]
    for one in slots:
        assert one.offset + one.size <= plan.arena_bytes
        for other in slots:
            alive = one.begin <= other.end and other.begin <= one.end
            apart = one.offset >= other.offset + other.size or other.offset >= one.offset + one.size
            assert one is other or apart or not alive
