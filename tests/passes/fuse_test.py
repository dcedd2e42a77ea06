"""Beside the numbers: every fusing rule has a case in which it fires, and written models shrink."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from edgec.ir import Graph, parse_graph
from edgec.lowering.onnx import to_model
from edgec.passes import PassManager, Pattern, parse_pipeline
from edgec.passes.fuse import ACTIVATION_RULES, RULES, STRENGTH_RULES

HERE = Path(__file__).parent
OPSETS = (17, 19, 24)


def graphs_by_case() -> dict[str, tuple[str, str]]:
    """Pipeline and graph text of every case of the fusing rules."""
    found: dict[str, tuple[str, str]] = {}
    for path in sorted(HERE.glob("fuse_*.eir")):
        for index, block in enumerate(path.read_text(encoding="utf-8").split("# ---\n")):
            lines = block.partition("# expect:\n")[0].splitlines()
            text = "\n".join(line for line in lines if not line.startswith("# "))
            found[f"{path.stem}-{index}"] = (lines[0].partition("-p")[2].strip(), text)
    return found


CASES = graphs_by_case()


def nodes_written(graph: Graph, opset: int) -> int:
    model: onnx.ModelProto = to_model(graph, opset=opset)
    return len(model.graph.node)


@pytest.mark.parametrize("name", CASES)
def test_no_written_model_grows(name: str) -> None:
    pipeline, text = CASES[name]
    fused = parse_graph(text)
    PassManager(parse_pipeline(pipeline)).run(fused)
    for opset in OPSETS:
        assert nodes_written(fused, opset) <= nodes_written(parse_graph(text), opset), opset


def test_every_rule_has_a_case_in_which_it_fires() -> None:
    fired: set[str] = set()
    for pipeline, text in CASES.values():
        for report in PassManager(parse_pipeline(pipeline)).run(parse_graph(text)):
            fired |= set(report.statistics.applied)
    rules: list[type[Pattern]] = [*RULES, *ACTIVATION_RULES, *STRENGTH_RULES]
    assert {rule.__name__ for rule in rules} - fired == set()
