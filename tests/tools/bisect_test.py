"""Bisection and reduction: ten planted bugs, each named and each shrunk to a few ops."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from properties.planted import BUGS, TWINS, Bug, crowded

import edgec
from edgec.ir import Error, Graph, Rewriter, parse_graph, verify
from edgec.kernels import run, seeded_inputs
from edgec.lowering import target_named
from edgec.passes import Pass, PassManager, parse_pipeline, pass_classes, run_limited
from edgec.tools import cli
from edgec.tools.bisect import bisect_lowering, bisect_passes
from edgec.tools.bisect.search import first_broken, gallop
from edgec.tools.checks import ArtifactCheck, Check, CommandCheck, PipelineCheck
from edgec.tools.reduce import reduce_graph
from edgec.tools.reduce.cut import kept
from edgec.tools.reduce.ddmin import ddmin

MOST_OPS = 5


@pytest.fixture(params=BUGS, ids=lambda bug: bug.name)
def bug(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bug:
    """A bug, planted for the time of a test."""
    found: Bug = request.param
    found.plant(monkeypatch)
    return found


def lowered(bug: Bug) -> Graph:
    graph = bug.model()
    PassManager(parse_pipeline(bug.pipeline)).run(graph)
    return graph


def test_there_are_five_of_each_kind() -> None:
    assert [sum(bool(bug.target) is kind for bug in BUGS) for kind in (False, True)] == [5, 5]


def test_bisect_names_the_rewrite(bug: Bug) -> None:
    if bug.target:
        miswritten = bisect_lowering(lowered(bug), target_named(bug.target))
        assert miswritten is not None
        assert bug.rule in miswritten.rule
        assert any(bug.layer in layer for layer in miswritten.layers)
        assert miswritten.fails_alone
    else:
        culprit = bisect_passes(bug.model(), parse_pipeline(bug.pipeline))
        assert culprit is not None
        assert bug.rule in culprit.rule
        assert any(bug.layer in layer for layer in culprit.layers)
        removed = [line for line in culprit.diff.splitlines() if line.startswith("-  ")]
        assert 1 <= len(removed) <= MOST_OPS, culprit.diff


def test_reduce_ends_at_a_few_ops(bug: Bug) -> None:
    check: Check
    if bug.target:
        graph, check = lowered(bug), ArtifactCheck(target_named(bug.target))
    else:
        graph, check = bug.model(), PipelineCheck(parse_pipeline(bug.pipeline))
    before = edgec.print_graph(graph)
    found = reduce_graph(graph, check)
    verify(found.graph)
    assert len(found.graph) <= MOST_OPS < len(graph)
    assert not check(found.graph).ok
    assert found.tried < 200
    assert edgec.print_graph(graph) == before, "the model itself stays as it was"


def test_nothing_is_found_where_nothing_is_wrong(digits: Path) -> None:
    graph = edgec.load(digits)
    passes = parse_pipeline("O2")
    assert bisect_passes(graph, passes) is None
    PassManager(passes).run(graph)
    assert bisect_lowering(graph, target_named("onnx")) is None
    with pytest.raises(Error, match="nothing to shrink"):
        reduce_graph(graph, PipelineCheck(passes))


# -- passes of a user ------------------------------------------------------------------------------


@pytest.fixture
def declared() -> object:
    """Pass names that a test declares are free again after it."""
    before = dict(pass_classes())
    yield
    registry = pass_classes()
    assert isinstance(registry, dict)
    registry.clear()
    registry.update(before)


@pytest.mark.usefixtures("declared")
def test_a_pass_that_crashes_is_named() -> None:
    class Crashing(Pass):
        """Fail at the second op."""

        name = "crashing"

        def run(self, graph: Graph, rw: Rewriter) -> None:
            raise KeyError("no such thing")

    found = bisect_passes(crowded(TWINS, "c"), [*parse_pipeline("dce"), Crashing()])
    assert found is not None
    assert (found.index, found.one.name) == (1, "crashing")
    assert "no such thing" in found.why


@pytest.mark.usefixtures("declared")
def test_edits_of_a_plain_pass_are_counted() -> None:
    class Forgetful(Pass):
        """Let every reader of an op read its operand instead: right for no op here but one."""

        name = "forgetful"

        def run(self, graph: Graph, rw: Rewriter) -> None:
            for op in graph.ops:
                if op.loc in (("after1",), ("after5",)):
                    [operand] = op.present_operands
                    rw.replace(op, operand)

    found = bisect_passes(crowded(TWINS, "c"), [Forgetful()])
    assert found is not None
    assert found.edit == 1
    assert found.number is None
    assert "after1" in found.layers
    steps = run_limited(Forgetful(), crowded(TWINS, "c"), edgec.Settings())
    assert (steps.edits, steps.rewrites) == (2, 0)


# -- commands --------------------------------------------------------------------------------------


def test_a_command_bisects(
    tmp_path: Path, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edgec.save(edgec.load(digits), tmp_path / "m.eir")
    check = "grep -q norm.batch_norm {}"
    arguments = ["bisect", str(tmp_path / "m.eir"), "-p", "dce,fuse,cleanup", "--check", check]
    assert cli.main([*arguments, "--json", "-o", str(tmp_path / "out")]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["pass"], found["rule"]) == ("fuse", "FuseBatchNormAfter")
    assert found["rewrite"] >= 17, "all of the batch norms"
    names = [Path(file).name for file in found["files"]]
    assert names == ["start.eir", "before.eir", "after.eir"]
    last = [edgec.load(tmp_path / "out" / name) for name in ("before.eir", "after.eir")]
    counts = [sum(op.op_name == "norm.batch_norm" for op in graph.ops) for graph in last]
    assert counts == [1, 0]


def test_a_command_that_fails_from_the_start_is_refused(tmp_path: Path, digits: Path) -> None:
    with pytest.raises(Error, match="before any pass has run"):
        bisect_passes(edgec.load(digits), parse_pipeline("O1"), CommandCheck("false"))


def test_a_command_reduces_and_both_forms_are_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.eir").write_text(edgec.print_graph(crowded(TWINS, "c")))
    script = "! grep -q leaky_relu {}"
    arguments = ["reduce", str(tmp_path / "m.eir"), "--check", script, "-o", str(tmp_path / "s")]
    assert cli.main(arguments) == 0
    assert "→ 1, after" in capsys.readouterr().out
    for suffix in (".eir", ".onnx"):
        small = edgec.load(tmp_path / f"s{suffix}")
        assert [op.op_name for op in small.ops] == ["act.leaky_relu"]


def test_a_command_that_hangs_is_a_failure_of_its_own() -> None:
    graph = parse_graph("graph g(%x: f32[2]) { %y = math.neg %x return y=%y }")
    verdict = CommandCheck("sleep 5 #", timeout=0.1)(graph)
    assert (verdict.ok, verdict.failure) == (False, "timeout")


# -- parts -----------------------------------------------------------------------------------------


@given(st.integers(1, 300), st.data())
def test_halving_finds_the_first_broken_state(count: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, count))
    assert first_broken(lambda n: n >= first, 0, count) == first
    assert gallop(lambda n: n >= first) == first


@settings(max_examples=50)
@given(st.sets(st.integers(0, 60), min_size=1, max_size=5))
def test_delta_debugging_ends_where_nothing_can_go(needed: set[int]) -> None:
    assert set(ddmin(range(61), lambda part: needed <= set(part))) == needed


def test_a_part_of_a_graph_computes_what_the_whole_does() -> None:
    graph = crowded(TWINS, "c")
    ops = list(graph.ops)
    seen: dict[str, object] = {}
    inputs = seeded_inputs(graph)
    executor = edgec.Executor(graph)
    executor.run(inputs, tap=lambda op, found: seen.update({op.result.hint: found[0].copy()}))
    part = kept(graph, ops[20:50])
    assert part is not None
    verify(part)
    given_arrays = {name: seen[name] for name in part.input_names}
    for name, array in run(part, given_arrays).items():  # type: ignore[arg-type]
        assert (array == seen[name]).all()
