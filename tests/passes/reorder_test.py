"""Reordering against every legal order of small graphs, and what it keeps of large ones."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from properties.memory_graphs import memory_graphs, random_graph

from edgec.ir import Builder, Error, Graph, Kind, Op, Rewriter, Value, dtypes, print_graph, verify
from edgec.ir.ops import Add, Concat, Conv, RandomNormal, ReduceMean, Softmax, Transpose
from edgec.kernels import EXACT, SHARING, Memory, compare, peak_of, reads_of, run, seeded_inputs
from edgec.passes import PassManager, Settings, parse_pipeline, reordered

SMALL = 7


def legal_orders(graph: Graph) -> Iterator[list[Op]]:
    """Every order in which each op comes after those whose results it reads."""
    ops = list(graph.ops)

    def extend(done: list[Op], known: set[Value]) -> Iterator[list[Op]]:
        if len(done) == len(ops):
            yield done
        for op in ops:
            if op not in done and all(v in known or v.producer is None for v in reads_of(op)):
                yield from extend([*done, op], known | set(op.results))

    return extend([], set())


def a_legal_order(graph: Graph, chosen: random.Random) -> list[Op]:
    """One of them at random."""
    ops = list(graph.ops)
    known: set[Value] = set()
    found: list[Op] = []
    while ops:
        ready = [o for o in ops if all(v in known or v.producer is None for v in reads_of(o))]
        op = chosen.choice(ready)
        ops.remove(op)
        found.append(op)
        known.update(op.results)
    return found


def put_in_order(graph: Graph, order: Sequence[Op]) -> None:
    rw = Rewriter(graph)
    for op in order:
        rw.move_into(op, graph.terminator)


def reorder(graph: Graph, options: str = "") -> None:
    PassManager(parse_pipeline(f"reorder{options}"), Settings(verify_each=True)).run(graph)


@settings(max_examples=150)
@given(memory_graphs(max_steps=4), st.sampled_from(("none", "reshape")))
def test_no_legal_order_of_a_small_graph_has_a_lower_peak(graph: Graph, sharing: str) -> None:
    if len(graph) > SMALL:
        return
    lowest = min(peak_of(graph, {}, Memory(sharing), order) for order in legal_orders(graph))
    found = reordered(graph, sharing)
    assert found.after[sharing] == lowest
    assert found.proven[sharing]


@settings(max_examples=100)
@given(memory_graphs(max_steps=4))
def test_what_is_proven_with_all_sharing_is_lowest(graph: Graph) -> None:
    """Some views that the search hopes for are not legal; then nothing is claimed."""
    if len(graph) > SMALL:
        return
    lowest = min(peak_of(graph, {}, Memory("all"), order) for order in legal_orders(graph))
    found = reordered(graph, "all")
    assert found.after["all"] >= lowest
    assert found.after["all"] == lowest or not found.proven["all"]


@settings(max_examples=120)
@given(memory_graphs(), st.integers(0, 1000))
def test_no_peak_gets_higher_and_every_output_is_the_same(graph: Graph, seed: int) -> None:
    put_in_order(graph, a_legal_order(graph, random.Random(seed)))
    inputs = seeded_inputs(graph)
    expected = run(graph, inputs)
    before = {one: peak_of(graph, {}, Memory(one)) for one in SHARING}
    reorder(graph)
    assert all(peak_of(graph, {}, Memory(one)) <= before[one] for one in SHARING)
    for name, array in run(graph, inputs).items():
        assert compare(array, expected[name], EXACT)


def test_deep_graphs_in_bad_orders_come_back_low() -> None:
    """Random legal orders of the same graph end close to one another."""
    gains = []
    for seed in range(5):
        chosen = random.Random(seed)
        graph = random_graph(chosen.randint, 30)
        put_in_order(graph, a_legal_order(graph, chosen))
        before = peak_of(graph, {}, Memory("none"))
        reorder(graph, "{sharing=none}")
        verify(graph)
        gains.append(1 - peak_of(graph, {}, Memory("none")) / before)
    assert min(gains) >= 0
    assert sum(gains) / len(gains) > 0.05


def branching(width: int) -> Graph:
    """Branches that first grow and then shrink, all of them grown first, as a breadth-first
    exporter writes them."""
    b = Builder()
    x = b.input("x", dtypes.f32, (1, 8, 16, 16))
    grown = [
        b.add(Conv(x, b.constant(np.full((64, 8, 1, 1), index, np.float32)))).result
        for index in range(width)
    ]
    soft = [b.add(Softmax(value, axis=1)).result for value in grown]
    shrunk = [b.add(ReduceMean(value, axes=(2, 3))).result for value in soft]
    return b.output(y=b.add(Concat(tuple(shrunk), axis=1)).result)


def test_branches_are_run_one_after_the_other() -> None:
    """Each branch of 64 KiB shrinks to 256 bytes; all at once they take 5 of them, and softmax
    another one."""
    graph = branching(5)
    found = reordered(graph, "none")
    grown, given, shrunk = 64 * 256 * 4, 8 * 256 * 4, 64 * 4
    assert found.before["none"] == 6 * grown
    assert found.after["none"] == 2 * grown + given + 3 * shrunk
    assert found.proven["none"]


def test_a_graph_that_is_in_the_best_order_stays_as_it_is() -> None:
    b = Builder()
    x = b.input("x", dtypes.f32, (4, 4))
    left, right = b.add(Softmax(x, axis=1)).result, b.add(Transpose(x, perm=(1, 0))).result
    graph = b.output(y=b.add(Add(left, right)).result)
    text, version = print_graph(graph), graph.version
    reorder(graph)
    assert (print_graph(graph), graph.version) == (text, version)


def test_random_numbers_are_drawn_in_the_order_in_which_they_are_written() -> None:
    b = Builder()
    x = b.input("x", dtypes.f32, (4,))
    ops = [RandomNormal(dims=(64 * n,), dtype=dtypes.f32, seed=float(n)) for n in (1, 3, 2)]
    drawn = [b.add(op).result for op in ops]
    small = [b.add(ReduceMean(value, axes=(0,), keepdims=True)).result for value in drawn]
    total = b.add(Add(b.add(Add(small[0], small[1])).result, small[2])).result
    graph = b.output(y=b.add(Add(total, x)).result)
    before = peak_of(graph, {}, Memory("none"))
    reorder(graph)
    assert peak_of(graph, {}, Memory("none")) < before
    assert [op.seed for op in graph.ops_of(RandomNormal)] == [1, 3, 2]


def test_another_way_of_sharing_is_refused() -> None:
    with pytest.raises(Error, match="sharing=some") as caught:
        reorder(branching(1), "{sharing=some}")
    assert caught.value.kind is Kind.USAGE


def test_thousands_of_ops_take_seconds() -> None:
    graph = random_graph(random.Random(1).randint, 5_000)
    begin = time.perf_counter()
    found = reordered(graph, "none", effort=2_000)
    assert time.perf_counter() - begin < 60
    assert found.after["none"] <= found.before["none"]
