"""Random graphs, random edits, random pass lists: what must hold for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import given, note, settings
from hypothesis import strategies as st
from properties.graphs import graphs, inputs_of

from edgec.ir import (
    Array,
    Constant,
    Graph,
    Op,
    Rewriter,
    Use,
    Value,
    parse_graph,
    print_graph,
    verify,
)
from edgec.kernels import EXACT, Executor, compare, tolerance_of
from edgec.lowering.onnx import read_onnx, to_model
from edgec.passes import Close, Exact, Pass, PassManager, Settings, make_pass, pass_classes


def examples(count: int) -> Any:
    """So many examples in CI; with another profile, as many as it says."""
    profile = settings.default
    return settings(max_examples=count) if profile is None or profile.derandomize else settings()


def weights(graph: Graph) -> dict[str, Array]:
    return {constant.weight.digest: constant.array for constant in graph.constants}


# -- text and clones -------------------------------------------------------------------------------


@examples(60)
@given(graphs())
def test_every_graph_is_well_formed_and_its_text_reads_back(graph: Graph) -> None:
    verify(graph)
    text = print_graph(graph)
    found = parse_graph(text, weights(graph))
    verify(found)
    assert print_graph(found) == text
    brief = print_graph(graph, brief=True)
    assert print_graph(parse_graph(brief), brief=True) == brief


@examples(60)
@given(graphs())
def test_clones_are_equal_and_apart(graph: Graph) -> None:
    text = print_graph(graph)
    clone = graph.clone()
    verify(clone)
    assert print_graph(clone) == text
    pinned = graph.clone({"N": 2})
    verify(pinned)
    assert all(r.type.is_static for op in pinned.walk for r in op.results)
    for op in list(clone.ops):
        Rewriter(clone).add(op.copy(regions=[r.clone() for r in op.regions]), before=op)
    assert print_graph(graph) == text


# -- edits -----------------------------------------------------------------------------------------


def slow_uses(graph: Graph) -> dict[Value, set[Use]]:
    """Every use, found by looking at every operand."""
    found: dict[Value, set[Use]] = {}
    for part in graph.graphs:
        for value in part.inputs:
            found.setdefault(value, set())
        for op in [*part.ops, part.terminator]:
            for result in op.results:
                found.setdefault(result, set())
            for index, value in enumerate(op.operands):
                if value is not None:
                    found.setdefault(value, set()).add(Use(op, index))
    return found


def visible_before(op: Op, type: Any) -> list[Value]:
    """Values of that type that an op may read: inputs, earlier results, and those around it."""
    found: list[Value] = []
    at: Op | None = op
    while at is not None and at.graph is not None:
        found += at.graph.inputs
        earlier = at.prev
        while earlier is not None:
            found += earlier.results
            earlier = earlier.prev
        at = at.graph.parent
    return [value for value in found if value.type == type]


def edit(graph: Graph, data: st.DataObject) -> None:
    """One legal edit, drawn at random."""
    rewriter = Rewriter(graph)
    ops = list(graph.walk)
    if not ops:
        return
    op = data.draw(st.sampled_from(ops), label="op")
    kind = data.draw(st.sampled_from(["copy", "replace", "operand", "erase", "twin"]), label="edit")
    if kind == "copy" and not op.regions:
        rewriter.add(op.copy(), before=op)
    elif kind == "twin" and not op.regions:
        rewriter.replace_with(op, op.copy())
    elif kind == "replace" and len(op.results) == 1:
        options = visible_before(op, op.result.type)
        if options:
            rewriter.replace(op, data.draw(st.sampled_from(options)))
    elif kind == "operand":
        old = op.operands[0]
        options = [] if old is None else visible_before(op, old.type)
        if options:
            rewriter.set_operand(op, 0, data.draw(st.sampled_from(options)))
    elif kind == "erase" and not any(result.is_used for result in op.results):
        rewriter.erase(op)


@examples(60)
@given(graphs(), st.data())
def test_legal_edits_keep_the_graph_well_formed(graph: Graph, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 12))):
        version, text = graph.version, print_graph(graph)
        edit(graph, data)
        assert graph.version != version or print_graph(graph) == text
        verify(graph)
        for value, uses in slow_uses(graph).items():
            assert set(value.uses) == uses
            assert value.use_count == len(uses)


# -- passes ----------------------------------------------------------------------------------------


def keeps_numbers(cls: type[Pass]) -> bool:
    return isinstance(cls.promise, (Exact, Close)) and not cls.reads_data


PASSES = sorted(name for name, cls in pass_classes().items() if keeps_numbers(cls))


def largest(graph: Graph, inputs: Mapping[str, Array]) -> float:
    """The largest number behind the outputs: what cancels leaves roundings of this size."""
    found = [1.0]

    def tap(op: Op, results: Any) -> None:
        found.extend(float(np.abs(r).max()) for r in results if r.size and r.dtype.kind == "f")

    Executor(graph).run(inputs, tap=tap)
    return max(found)


def assert_close(
    actual: Mapping[str, Array],
    expected: Mapping[str, Array],
    before: Graph,
    inputs: Any,
    ulp: float,
) -> None:
    allowed = tolerance_of(before, ulp).relative * largest(before, inputs)
    for name, array in expected.items():
        assert actual[name].shape == array.shape
        np.testing.assert_allclose(actual[name], array, rtol=allowed, atol=allowed, err_msg=name)


@examples(60)
@given(graphs(), st.lists(st.sampled_from(PASSES), min_size=1, max_size=4))
def test_passes_keep_their_promises(graph: Graph, names: list[str]) -> None:
    note(print_graph(graph, brief=True))
    inputs = inputs_of(graph)
    for name in names:
        one = make_pass(name, {})
        if not all(need.holds(graph) for need in one.needs):
            continue
        before = graph.clone()
        expected = Executor(before).run(inputs)
        PassManager([one], Settings(verify_each=True)).run(graph)
        note(f"after {name}:\n{print_graph(graph, brief=True)}")
        actual = Executor(graph.clone()).run(inputs)
        if isinstance(one.promise, Close):
            assert_close(actual, expected, before, inputs, one.promise.ulp)
            continue
        for output, array in expected.items():
            comparison = compare(actual[output], array, EXACT)
            assert comparison, f"{name}, output {output}: {comparison}"


@examples(30)
@given(graphs(), st.sampled_from(PASSES))
def test_a_pass_that_changed_nothing_leaves_the_version(graph: Graph, name: str) -> None:
    one = make_pass(name, {})
    if not all(need.holds(graph) for need in one.needs):
        return
    for _ in range(4):
        text = print_graph(graph)
        (report,) = PassManager([one]).run(graph)
        if not report.changed:
            assert print_graph(graph) == text
            return
    raise AssertionError(f"{name} still finds something to do after four runs")


@examples(30)
@given(graphs(), st.integers(0, 6))
def test_a_rewrite_limit_stops_anywhere_and_the_graph_is_sound(graph: Graph, limit: int) -> None:
    inputs = inputs_of(graph)
    before = graph.clone()
    expected = Executor(before).run(inputs)
    passes = [make_pass(name, {}) for name in ("cleanup", "fuse")]
    PassManager(passes, Settings(verify_each=True, rewrite_limit=limit)).run(graph)
    assert_close(Executor(graph.clone()).run(inputs), expected, before, inputs, 1.0)


# -- ONNX ------------------------------------------------------------------------------------------


@examples(40)
@given(graphs())
def test_onnx_keeps_the_numbers(graph: Graph) -> None:
    inputs = inputs_of(graph)
    found = read_onnx(to_model(graph).SerializeToString())
    verify(found)
    assert (found.input_names, found.output_names) == (graph.input_names, graph.output_names)
    expected = Executor(graph).run(inputs)
    assert_close(Executor(found).run(inputs), expected, graph, inputs, 1.0)


@examples(30)
@given(graphs())
def test_writing_twice_gives_the_same_bytes(graph: Graph) -> None:
    first = to_model(graph).SerializeToString(deterministic=True)
    assert to_model(graph.clone()).SerializeToString(deterministic=True) == first
    again = to_model(read_onnx(first))
    assert to_model(read_onnx(again)).SerializeToString(deterministic=True) == (
        again.SerializeToString(deterministic=True)
    )


def test_the_random_graphs_hold_what_they_promise() -> None:
    """Shared values, dead code, several outputs, symbols and regions all come up."""
    seen: set[str] = set()

    @settings(max_examples=150, derandomize=True, database=None)
    @given(graphs())
    def look(graph: Graph) -> None:
        results = [result for op in graph.ops for result in op.results]
        seen.update("shared" for r in results if r.user_count > 1)
        seen.update("dead" for r in results if not r.is_used)
        seen.update("region" for op in graph.ops if op.regions)
        seen.update("many results" for op in graph.ops if len(op.results) > 1)
        seen.update("symbol" for v in graph.inputs if not v.type.is_static)
        seen.update("constant" for v in graph.constants if isinstance(v, Constant))
        if len(graph.outputs) > 1:
            seen.add("outputs")

    look()
    assert seen == {"shared", "dead", "region", "many results", "symbol", "constant", "outputs"}
