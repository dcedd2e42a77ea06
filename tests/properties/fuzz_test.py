"""The fuzzer itself, on few cases: ``make fuzz`` runs it open-ended."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgec.ir import Effect, Graph, Refusal, Sampler, op_classes, parse_graph, print_graph
from edgec.ir.ops import Relu
from edgec.kernels import Judge, run
from edgec.lowering.registry import ONNX
from edgec.passes import Exact, Pass
from edgec.tools.fuzz import properties, worker
from edgec.tools.fuzz.compose import CLASSES, Drawn, random_graph
from edgec.tools.fuzz.defects import DEFECTS, LIMITS, defects_in, limit_of
from edgec.tools.fuzz.files import FileCampaign, attempt
from edgec.tools.fuzz.graphs import Campaign
from edgec.tools.fuzz.properties import Broken, Check
from edgec.tools.fuzz.worker import results

HOSTILE = sorted((Path(__file__).parents[1] / "data" / "hostile").iterdir())
DOCS = Path(__file__).parents[2] / "docs" / "onnxruntime.md"


def unexpected(text: str) -> None:
    pytest.fail(text)


# -- random graphs ------------------------------------------------------------------------------


def test_random_graphs_keep_every_property(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    found = Campaign(0, tmp_path, say=unexpected).run(range(100))
    assert found.graphs == 100
    assert found.counts["onnxruntime: agrees"] > 80
    assert not found.failures


def test_a_seed_and_a_number_make_the_same_graph() -> None:
    first, second, other = random_graph(1, 7), random_graph(1, 7), random_graph(1, 8)
    assert print_graph(first.graph) == print_graph(second.graph)
    assert all(np.array_equal(first.inputs[name], second.inputs[name]) for name in first.inputs)
    assert print_graph(first.graph) != print_graph(other.graph)


def test_random_graphs_are_deep_shared_and_partly_dead() -> None:
    seen: Counter[str] = Counter()
    drawn: set[type] = set()
    for number in range(250):
        graph = random_graph(2, number).graph
        values = [result for op in graph.ops for result in op.results]
        drawn.update(type(op) for op in graph.walk)
        seen["shared"] += any(value.user_count > 1 for value in values)
        seen["dead"] += any(not value.is_used for value in values)
        seen["symbolic"] += any(not value.type.is_static for value in graph.inputs)
        seen["outputs"] += len(graph.outputs) > 1
        seen["deep"] += depth(graph) > 6
    assert min(seen.values()) > 15, seen
    written = {c for c in op_classes().values() if not isinstance(ONNX.rules.get(c), Refusal)}
    wanted = {c for c in written if not c.has(Effect)}
    assert set(CLASSES) == wanted
    assert len(drawn & wanted) > 0.95 * len(wanted)


def depth(graph: Graph) -> int:
    """The number of ops on the longest path."""
    behind: dict[Any, int] = {}
    for op in graph.ops:
        own = 1 + max((behind.get(value, 0) for value in op.present_operands), default=0)
        behind.update(dict.fromkeys(op.results, own))
    return max(behind.values(), default=0)


def relu() -> Drawn:
    graph = parse_graph("graph(%x: f32[4]) { %y = act.relu %x return y=%y }")
    inputs = {"x": np.arange(-2, 2, dtype=np.float32)}
    return Drawn(graph, inputs, {graph.outputs[0]: run(graph, inputs)["y"]})


def test_other_numbers_are_found() -> None:
    drawn = relu()
    judge = Judge(drawn.graph, drawn.inputs)
    Check().judged(judge, {"y": drawn.arrays[drawn.graph.outputs[0]]}, "same")
    with pytest.raises(Broken, match="differs"):
        Check().judged(judge, {"y": np.asarray([0, 0, 0, 1.001], dtype=np.float32)}, "other")


def test_a_pass_that_changes_the_numbers_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Wrong(Pass):
        promise = Exact()

        def run(self, graph: Graph, rw: Any) -> None:
            for op in graph.ops_of(Relu):
                rw.replace(op, op.x)

    monkeypatch.setattr(properties, "_random_passes", lambda draw: iter([Wrong()]))
    with pytest.raises(Broken, match="output y"):
        Check(runtime=False)(relu(), Sampler(0))


def test_every_defect_and_limit_is_documented() -> None:
    text = DOCS.read_text()
    for name in {*(defect.name for defect in DEFECTS), *LIMITS.values()}:
        assert name in text, name


def test_a_known_defect_is_recognised() -> None:
    graph = parse_graph("graph() { %y = index.non_zero f32[](1) return y=%y }")
    assert [defect.name for defect in defects_in(graph)] == ["NonZero of a scalar"]
    assert limit_of("[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : no kernel")
    assert limit_of("[ONNXRuntimeError] : 1 : FAIL : something else") is None


# -- damaged files ------------------------------------------------------------------------------


def test_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    found = FileCampaign(0, tmp_path, None, say=unexpected).run(range(300))
    assert found.cases == 300
    assert found.outcomes["written"] > 30
    assert found.outcomes["refused at read"] > 100
    assert not found.failures


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_a_file_that_once_did_harm_is_read_or_refused(path: Path, tmp_path: Path) -> None:
    def one(_: int) -> str:
        return attempt(path.read_bytes(), path.suffix, tmp_path / "out.onnx")

    (result,) = results([0], one)
    assert result.outcome in ("written", "refused at read", "refused at write"), result.detail


def test_workers_survive_what_cases_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "SECONDS", 1)

    def one(case: int) -> str:
        if case == 1:
            time.sleep(5)
        if case == 2:
            bytearray(worker.MEMORY)
        if case == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        if case == 4:
            raise KeyError("four")
        return "fine"

    found = list(results(range(6), one))
    assert [result.case for result in found] == list(range(6))
    assert [result.outcome for result in found] == [
        "fine", "more than 1 s", "raised MemoryError", "killed by signal 9", "raised KeyError",
        "fine",
    ]  # fmt: skip
    assert "four" in found[4].detail
