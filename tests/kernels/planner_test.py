"""The arena: a graph that runs inside it, byte by byte, computes the same; and how large it is."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from properties.graphs import graphs, inputs_of
from properties.memory_graphs import memory_graphs, random_graph

from edgec.ir import Array, Builder, Constant, Elementwise, Graph, Op, Value, dtypes, parse_graph
from edgec.ir.ops import Add, BatchNorm, Concat, Relu, Reshape, Slice, Split
from edgec.kernels import (
    SHARING,
    Executor,
    Memory,
    Plan,
    peak_of,
    plan_buffers,
    seeded_inputs,
)
from edgec.kernels.packing import Block, pack

MOVES_NOTHING = (Reshape, Split, Slice, Concat)


class Simulation:
    """Runs a graph with every value in its place of the arena, and nowhere else."""

    def __init__(self, graph: Graph, plan: Plan, expected: dict[Value, Array]) -> None:
        self.plan = plan
        self.graph = graph
        self.expected = expected
        self.arena = np.full(plan.arena_bytes, 0xA5, np.uint8)

    def run(self) -> None:
        for value in self.graph.inputs:
            self.write(value)
        for op in self.graph.ops:
            for operand in op.present_operands:
                self.check(operand)
            if not isinstance(op, MOVES_NOTHING):
                self.apart(op)
            self.copy(op)
            if op in self.plan.inner:
                offset, size = self.plan.inner[op]
                self.arena[offset : offset + size] = 0x5A
            for result in op.results:
                self.check(result)
        for value in self.graph.outputs:
            self.check(value)

    def copy(self, op: Op) -> None:
        """Write the results; parts that lie in their whole are there already."""
        over = self.plan.over
        if isinstance(op, Concat):
            in_place = {x for x in op.xs if over.get(x) is op.result}
            if len(in_place) == len(op.xs):
                return
        for result in op.results:
            if not isinstance(op, Reshape | Split | Slice) or over.get(result) is not op.x:
                self.write(result)

    def apart(self, op: Op) -> None:
        """An op writes over an operand only element by element."""
        in_place = op.has(Elementwise) or isinstance(op, BatchNorm)
        for result in op.results:
            for operand in op.present_operands:
                if isinstance(operand, Constant) or not self.overlap(result, operand):
                    continue
                own, other = self.plan.slots[result], self.plan.slots[operand]
                assert in_place
                assert (own.offset, own.shape) == (other.offset, other.shape)

    def overlap(self, a: Value, b: Value) -> bool:
        one, two = self.plan.slots.get(a), self.plan.slots.get(b)
        if one is None or two is None:
            return False
        low, high = max(one.offset, two.offset), min(one.offset + one.size, two.offset + two.size)
        return low < high

    def place(self, value: Value) -> Array | None:
        slot = self.plan.slots.get(value)
        if slot is None:
            return None
        raw = self.arena[slot.offset : slot.offset + slot.size]
        return raw.view(value.type.dtype.numpy).reshape(slot.shape)

    def write(self, value: Value) -> None:
        place = self.place(value)
        if place is not None:
            place[...] = self.expected[value]

    def check(self, value: Value) -> None:
        place = self.place(value)
        if place is not None and not isinstance(value, Constant):
            np.testing.assert_array_equal(place, self.expected[value], str(value))


def values_of(graph: Graph, inputs: dict[str, Array]) -> dict[Value, Array]:
    found: dict[Value, Array] = {value: inputs[value.hint] for value in graph.inputs}

    def tap(op: Op, results: object) -> None:
        for value, array in zip(op.results, results, strict=True):  # type: ignore[call-overload]
            found[value] = np.array(array)

    Executor(graph).run(inputs, tap=tap)
    return found


MEMORIES = st.builds(
    Memory, st.sampled_from(SHARING), st.sampled_from((1, 4, 16, 64)), packed=st.just(False)
)


@settings(max_examples=250)
@given(memory_graphs(), MEMORIES, st.booleans())
def test_a_graph_that_runs_in_its_arena_computes_the_same(
    graph: Graph, memory: Memory, search: bool
) -> None:
    plan = plan_buffers(graph, {}, memory, search=search)
    Simulation(graph, plan, values_of(graph, seeded_inputs(graph))).run()


@settings(max_examples=60)
@given(graphs(), MEMORIES)
def test_so_do_graphs_of_all_kinds_of_ops(graph: Graph, memory: Memory) -> None:
    inputs = inputs_of(graph)
    bindings = {
        name: size
        for value in graph.inputs
        for dim, size in zip(value.type.dims, inputs[value.hint].shape, strict=True)
        if not isinstance(dim, int)
        for name in [str(dim)]
    }
    plan = plan_buffers(graph, bindings, memory)
    Simulation(graph, plan, values_of(graph, inputs)).run()


@settings(max_examples=150)
@given(memory_graphs())
def test_sharing_never_needs_more_and_the_bound_is_a_bound(graph: Graph) -> None:
    plans = [plan_buffers(graph, {}, Memory(one, 4), search=True) for one in SHARING]
    peaks = [plan.peak_bytes for plan in plans]
    assert peaks == sorted(peaks, reverse=True)
    for plan, sharing in zip(plans, SHARING, strict=True):
        assert plan.arena_bytes >= plan.peak_bytes == peak_of(graph, {}, Memory(sharing, 4))
        assert plan.curve[plan.peak_step + 1] == plan.peak_bytes
        assert len(plan.curve) == len(graph) + 2


@pytest.mark.parametrize("seed", range(60))
def test_so_do_deep_graphs(seed: int) -> None:
    """Deep enough for bodies of many values, of which some are long dead."""
    chosen = random.Random(seed)
    graph = random_graph(chosen.randint, 25)
    memory = Memory(chosen.choice(SHARING), chosen.choice((1, 16)), packed=False)
    plan = plan_buffers(graph, {}, memory)
    Simulation(graph, plan, values_of(graph, seeded_inputs(graph))).run()


# -- what lies where -------------------------------------------------------------------------------


def peaks(text: str) -> tuple[int, ...]:
    return tuple(peak_of(parse_graph(text), {}, Memory(one)) for one in SHARING)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("graph g(%x: f32[1,4,4]) { %a = act.relu %x  %b = act.tanh %a  return %b }", (128, 128, 64)),
     ("graph g(%x: i8[1,4,4]) { %a = math.neg %x  %b = math.neg %a  return %b }", (32, 32, 16)),
     ("graph g(%x: i4[1,4,4]) { %a = move.transpose %x, perm=[0,2,1]  return %a }", (16, 16, 16)),
     ("graph g(%x: f32[1,4,4]) { %a = move.reshape %x, to=[16]  return %a }", (128, 64, 64)),
     ("graph g(%x: f32[1,8,4]) { %a, %b = move.split %x, axis=1, parts=2  return %a, %b }",
      (256, 256, 128)),
     ("graph g(%x: f32[2,8,4]) { %a, %b = move.split %x, axis=1, parts=2  return %a, %b }",
      (512, 512, 512)),
     ("graph g(%x: f32[1,4,4], %y: f32[1,4,4]) { %a = move.concat [%x, %y], axis=1  return %a }",
      (256, 256, 128)),
     ("graph g(%x: f32[1,4,4]) { %a = move.concat [%x, %x], axis=1  return %a }", (192, 192, 128)),
     ("graph g(%x: f32[1,4,4]) { %a = act.relu %x  return %x, %a }", (128, 128, 128)),
     ("graph g(%x: f32[4,4]) { %t = move.transpose %x, perm=[1,0]  %a = math.add %x, %t  "
      "return %a }", (192, 192, 128))],
    ids=["in_place", "i8_is_bytes", "i4_is_packed", "reshape", "split", "split_of_two_rows",
         "concat", "one_part_twice", "read_later", "either_operand"],
)  # fmt: skip
def test_peak_with_nothing_shared_with_reshapes_shared_and_with_all(
    text: str, expected: tuple[int, ...]
) -> None:
    assert peaks(text) == expected


def test_what_is_read_at_other_places_is_not_written_over() -> None:
    """The same bytes as 4 x 1 and as 1 x 4: the sum reads both while it writes."""
    graph = parse_graph(
        "graph g(%x: f32[1,4]) { %a = act.relu %x  %b = move.reshape %a, to=[4,1]  "
        "%c = math.add %a, %b  return %c }"
    )
    plan = plan_buffers(graph, {}, Memory())
    assert plan.curve[-2] == 16 + 64


BRANCHES = """graph g(%c: bool[], %x: f32[64]) {
  %y = control.if %c {
    graph long() { %a = math.exp %x  %b = math.add %a, %x  %d = math.mul %b, %a  return d=%d }
    graph short() { %a = act.relu %x  return a=%a }
  }
  return y=%y
}"""


def test_a_region_needs_memory_while_it_runs() -> None:
    """x, y, c and, inside, exp(x) and the sum that becomes the product."""
    plan = plan_buffers(parse_graph(BRANCHES), {}, Memory())
    [(_, size)] = plan.inner.values()
    assert size == 2 * 256
    assert plan.peak_bytes == 4 * 256 + 1


def test_a_long_chain_is_planned_quickly_and_needs_little() -> None:
    b = Builder()
    value = first = b.input("x", dtypes.f32, (16,))
    for _ in range(5_000):
        value = b.add(Add(b.add(Relu(value)).result, value)).result
    graph = b.output(y=b.add(Add(value, first)).result)
    plan = plan_buffers(graph, {}, Memory(), search=True)
    assert plan.arena_bytes == plan.peak_bytes == 3 * 64


# -- packing ---------------------------------------------------------------------------------------

BLOCKS = st.builds(
    lambda size, begin, length: [Block(0, size, begin, begin + length)],
    st.integers(1, 6), st.integers(0, 6), st.integers(0, 4),
)  # fmt: skip


def smallest_arena(bodies: list[list[Block]], top: int) -> int:
    """By trying every offset."""
    best = top

    def place(index: int, offsets: list[int]) -> None:
        nonlocal best
        reach = max((o + b[0].size for o, b in zip(offsets, bodies, strict=False)), default=0)
        if reach >= best:
            return
        if index == len(bodies):
            best = reach
            return
        own = bodies[index][0]
        for offset in range(best - own.size):
            if all(
                own.begin > other[0].end or other[0].begin > own.end
                or offset >= at + other[0].size or at >= offset + own.size
                for at, other in zip(offsets, bodies, strict=False)
            ):  # fmt: skip
                place(index + 1, [*offsets, offset])

    place(0, [])
    return best


@settings(max_examples=40)
@given(st.lists(BLOCKS, min_size=1, max_size=6))
def test_the_search_finds_the_smallest_arena_of_few_blocks(bodies: list[list[Block]]) -> None:
    found = pack(bodies, 1, 0, search=True)
    assert found.bytes == smallest_arena(bodies, found.bytes)
    greedy = pack(bodies, 1, 0, search=False)
    assert greedy.bytes >= found.bytes
