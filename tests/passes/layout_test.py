"""The layout pass against brute force, and on random graphs.

``EDGEC_LAYOUT_EXAMPLES=5000 pytest tests/passes/layout_test.py`` looks for longer.
"""

from __future__ import annotations

import itertools
import os
import time
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from properties.graphs import graphs

from edgec.ir import Builder, Error, Graph, LayoutCosts, Op, Value, dtypes, register_layout_costs
from edgec.ir.ops import (
    Add,
    Concat,
    Conv,
    InstanceNorm,
    LayerNorm,
    Lrn,
    MaxPool,
    Relu,
    Reshape,
    Sigmoid,
    Softmax,
    Transpose,
)
from edgec.passes import Layout, PassManager, PassReport, Settings, parse_pipeline
from edgec.passes.layout.cut import SINK, SOURCE, CutProblem

EXAMPLES = int(os.environ.get("EDGEC_LAYOUT_EXAMPLES", "300"))
THOROUGH = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
FEWER = settings(
    max_examples=min(EXAMPLES, 100), deadline=None, suppress_health_check=list(HealthCheck)
)
FIRST, LAST = 0, 1
MAX_FREE = 12
TO_LAST, TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
DIMS = (1, 2, 3, 5)


# -- the cut ---------------------------------------------------------------------------------------

ARCS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
    max_size=40,
)


def cut_cost(arcs: list[tuple[int, int, int, int]], labels: list[int]) -> int:
    return sum(
        there if labels[u] < labels[v] else back if labels[u] > labels[v] else 0
        for u, v, there, back in arcs
    )


@given(ARCS)
@THOROUGH
def test_the_cut_is_a_minimum(arcs: list[tuple[int, int, int, int]]) -> None:
    problem = CutProblem()
    for _ in range(8):
        problem.node()
    for arc in arcs:
        problem.arc(*arc)
    choices = itertools.product((0, 1), repeat=8)
    least = min(cut_cost(arcs, [SOURCE, SINK, *choice]) for choice in choices)
    assert cut_cost(arcs, problem.solve()) == least


# -- graphs ----------------------------------------------------------------------------------------


@dataclass
class Model:
    """A graph of ops that are free or pinned, with what brute force needs to know of it.

    Attributes:
        written: the layout in which each value is written.
        tensor: which tensor a value holds; a transpose between the layouts makes no new one.
        made: of each tensor the number of the free op that makes it, or ~layout.
        readers: of each tensor the free ops that read it, and ~layout for pinned ones.
        sizes: bytes of each tensor.
        sensitive: the free ops that have a layout attribute.
    """

    builder: Builder = field(default_factory=lambda: Builder("random"))
    values: list[Value] = field(default_factory=list)
    written: dict[Value, int] = field(default_factory=dict)
    tensor: dict[Value, int] = field(default_factory=dict)
    made: list[int] = field(default_factory=list)
    readers: list[set[int]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    sensitive: list[int] = field(default_factory=list)
    free: int = 0

    def enter(self, value: Value, written: int, maker: int) -> None:
        """A new tensor."""
        self.tensor[value] = len(self.made)
        self.made.append(maker)
        self.readers.append(set())
        self.sizes.append(value.type.nbytes())
        self.name(value, written)

    def name(self, value: Value, written: int) -> None:
        """A value that may be picked from now on."""
        self.values.append(value)
        self.written[value] = written

    def layout_of(self, op: Op) -> int:
        x = op.operands[0]
        assert x is not None
        return self.written[x]

    def add(self, op: Op, maker: int) -> None:
        self.builder.add(op)
        for value in op.present_operands:
            if value in self.tensor:
                self.readers[self.tensor[value]].add(maker)
        self.enter(op.result, self.layout_of(op), maker)

    def add_free(self, op: Op) -> None:
        if self.free == MAX_FREE:
            return
        self.add(op, self.free)
        if "layout" in op.attribute_specs:
            self.sensitive.append(self.free)
        self.free += 1

    def add_pinned(self, op: Op) -> None:
        self.add(op, ~self.layout_of(op))

    def finish(self, count: int) -> Graph:
        outputs = self.values[-count:]
        for value in outputs:
            self.readers[self.tensor[value]].add(~self.written[value])
        return self.builder.output(**{f"y{i}": value for i, value in enumerate(outputs)})

    def least(self, forced: int | None, extra: tuple[int, int]) -> int:
        """The fewest bytes (and costs of ops with a layout) over all choices."""
        numbers = np.arange(1 << self.free)[:, np.newaxis]
        choices = (numbers >> np.arange(self.free)) & 1
        total = np.zeros(len(choices), dtype=np.int64)
        for made, readers, size in zip(self.made, self.readers, self.sizes, strict=True):
            side = self._side(choices, made)
            unlike = [self._side(choices, reader) != side for reader in readers]
            if unlike:
                total += size * np.any(unlike, axis=0)
        for op in self.sensitive:
            total += np.where(choices[:, op] == LAST, extra[LAST], extra[FIRST])
        allowed = np.ones(len(choices), dtype=bool)
        if forced is not None:
            allowed = np.all(choices[:, self.sensitive] == forced, axis=1)
        return int(total[allowed].min())

    @staticmethod
    def _side(choices: NDArray[np.int64], node: int) -> NDArray[np.int64]:
        return choices[:, node] if node >= 0 else np.full(len(choices), ~node)


Program = list[tuple[int, int, int]]
PROGRAMS = st.lists(
    st.tuples(st.integers(0, 10), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=24
)


def model_of(program: Program) -> Model:
    """Each step: which op, and which of the values that are there it reads."""
    m = Model()
    weight = m.builder.const(np.ones((2, 2, 1, 1), dtype=np.float32))
    m.enter(m.builder.input("x", dtypes.f32, DIMS), FIRST, ~FIRST)
    m.enter(m.builder.input("z", dtypes.f32, (1, 3, 5, 2)), LAST, ~LAST)
    for kind, i, j in program:
        x = m.values[-1 - i % len(m.values)]
        first = m.written[x] == FIRST
        if kind <= 1:
            m.add_free(sensitive(x, first, weight))
        elif kind <= 6:
            m.add_free(neutral(m, x, kind, j))
        elif kind == 7:
            m.add_pinned(pinned(x, first, m.builder))
        else:
            turned = m.builder.add(Transpose(x, perm=TO_LAST if first else TO_FIRST)).result
            m.tensor[turned] = m.tensor[x]
            m.name(turned, LAST if first else FIRST)
    return m


def sensitive(x: Value, first: bool, weight: Value) -> Op:
    layout = "nchw" if first else "nhwc"
    if x.type.dims[1 if first else 3] == 2:
        return Conv(x, weight, layout=layout)
    return MaxPool(x, kernel=(1, 1), layout=layout)


def neutral(m: Model, x: Value, kind: int, j: int) -> Op:
    like = [v for v in m.values if v.type == x.type and m.written[v] == m.written[x]]
    y = like[-1 - j % len(like)]
    if kind == 2:
        return (Relu, Sigmoid)[j % 2](x)
    if kind == 3:
        return Softmax(x, axis=j % 4)
    return Concat((x, y, y), axis=1 + j % 3) if kind == 4 else Add(x, y)


def pinned(x: Value, first: bool, builder: Builder) -> Op:
    if first:
        return Lrn(x, size=3)
    return LayerNorm(x, builder.const(np.ones(1, dtype=np.float32)), axis=3)


def transposed_bytes(graph: Graph) -> int:
    return sum(op.x.type.nbytes() for op in graph.ops_of(Transpose))


def run(graph: Graph, one: Layout) -> PassReport:
    [report] = PassManager([one], Settings(verify_each=True)).run(graph)
    return report


@given(PROGRAMS, st.integers(1, 3), st.sampled_from(["nhwc", "nchw", "auto"]))
@THOROUGH
def test_the_transposed_bytes_are_those_of_brute_force(
    program: Program, outputs: int, to: str
) -> None:
    model = model_of(program)
    graph = model.finish(outputs)
    forced = {"nchw": FIRST, "nhwc": LAST, "auto": None}[to]
    moves = run(graph, Layout(to=to)).statistics.moves
    assert transposed_bytes(graph) == model.least(forced, (0, 0))
    assert sum(move.bytes for move in moves) == transposed_bytes(graph)
    assert all(move.made and move.wanted for move in moves)


@given(PROGRAMS, st.integers(1, 3), st.integers(0, 400), st.integers(0, 400))
@THOROUGH
def test_costs_of_a_target_are_weighed_against_bytes(
    program: Program, outputs: int, first: int, last: int
) -> None:
    model = model_of(program)
    graph = model.finish(outputs)
    extra = {"nchw": first, "nhwc": last}
    register_layout_costs("weighed", LayoutCosts(extra={Conv: extra, MaxPool: extra}))
    run(graph, Layout(target="weighed"))
    spent = sum(extra[op.layout] for op in graph.ops if isinstance(op, (Conv, MaxPool)))
    assert transposed_bytes(graph) + spent == model.least(None, (first, last))


@given(graphs(), st.sampled_from(["nhwc", "auto", "nhwc},cleanup,layout{to=nchw"]))
@FEWER
def test_random_graphs_compute_the_same(graph: Graph, to: str) -> None:
    watching = Settings(verify_each=True, check_numerics=True, shapes={"N": 2})
    PassManager(parse_pipeline(f"layout{{to={to}}}"), watching).run(graph)


@given(PROGRAMS, st.integers(1, 3))
@FEWER
def test_a_second_run_changes_nothing(program: Program, outputs: int) -> None:
    graph = model_of(program).finish(outputs)
    run(graph, Layout(to="nhwc"))
    once = transposed_bytes(graph)
    run(graph, Layout(to="nhwc"))
    assert transposed_bytes(graph) == once


# -- reports and options ---------------------------------------------------------------------------


def test_the_report_names_who_forces_a_transpose() -> None:
    builder = Builder("g")
    x = builder.input("x", dtypes.f32, DIMS)
    weight = builder.const(np.ones((2, 2, 1, 1), dtype=np.float32))
    relu = builder.add(Relu(x)).result
    conv = builder.add(Conv(relu, weight)).result
    graph = builder.output(y=builder.add(Lrn(conv, size=3)).result)
    moves = run(graph, Layout(to="nhwc")).statistics.moves
    assert [move.bytes for move in moves] == [120, 120]
    assert [move.perm for move in moves] == [TO_LAST, TO_FIRST]
    assert moves[0].made == "input x stays nchw"
    assert "nn.conv" in moves[0].wanted
    assert moves[0].wanted.endswith("runs in nhwc only")
    assert moves[1].wanted.endswith("is written for nchw: layout has no rule for norm.lrn")


@pytest.mark.parametrize("option", ["to=best", "io=turned", "layout=nhwc"])
def test_options_that_are_none_are_refused(option: str) -> None:
    with pytest.raises(Error, match="layout"):
        parse_pipeline(f"layout{{{option}}}")


def one_conv() -> Graph:
    builder = Builder("g")
    x = builder.input("x", dtypes.f32, DIMS)
    weight = builder.const(np.ones((2, 2, 1, 1), dtype=np.float32))
    return builder.output(y=builder.add(Conv(x, weight)).result)


def test_a_target_that_runs_in_one_layout_decides() -> None:
    register_layout_costs("last only", LayoutCosts("nhwc"))
    graph = one_conv()
    run(graph, Layout(target="last only"))
    assert [op.layout for op in graph.ops if isinstance(op, Conv)] == ["nhwc"]


def test_a_target_contradicted_or_unknown_is_refused() -> None:
    register_layout_costs("last only", LayoutCosts("nhwc"))
    with pytest.raises(Error, match="last only runs in nhwc only, not nchw"):
        run(one_conv(), Layout(to="nchw", target="last only"))
    with pytest.raises(Error, match="there is no target 'lats only'") as raised:
        run(one_conv(), Layout(target="lats only"))
    assert "last only" in str(raised.value)


def test_ten_thousand_ops_take_seconds() -> None:
    builder = Builder("deep")
    x = builder.input("x", dtypes.f32, (1, 2, 8, 8))
    weight = builder.const(np.ones((2, 2, 1, 1), dtype=np.float32))
    for _ in range(2500):
        y = builder.add(Relu(builder.add(Conv(x, weight)).result)).result
        x = builder.add(Add(x, builder.add(Conv(y, weight)).result)).result
    graph = builder.output(y=x)
    begin = time.perf_counter()
    moves = run(graph, Layout(to="nhwc")).statistics.moves
    assert len(moves) == 2
    assert time.perf_counter() - begin < 20


def test_the_report_names_what_a_norm_over_all_channels_forces() -> None:
    """Its result is the same in both layouts, and what reads it wants the other one."""
    builder = Builder("g")
    x = builder.input("x", dtypes.f32, (1, 4, 3, 3))
    weight = builder.const(np.eye(4, dtype=np.float32).reshape(4, 4, 1, 1))
    one = builder.const(np.ones(1, dtype=np.float32))
    flat = builder.add(Reshape(x, to=(1, 1, 36))).result
    norm = builder.add(InstanceNorm(flat, one, one)).result
    back = builder.add(Reshape(norm, to=(1, 4, 3, 3))).result
    graph = builder.output(y=builder.add(Conv(back, weight)).result)
    first = run(graph, Layout(to="nhwc")).statistics.moves[0]
    assert first.made.startswith("move.reshape")
    assert first.wanted.endswith("runs in nhwc only")
