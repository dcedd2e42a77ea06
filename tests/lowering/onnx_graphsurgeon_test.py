"""onnx-graphsurgeon graphs, taken and given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgec
from edgec.ir import verify
from edgec.kernels import Judge, run, seeded_inputs
from edgec.lowering.onnx import from_graphsurgeon, to_graphsurgeon

gs = pytest.importorskip("onnx_graphsurgeon", reason="onnx-graphsurgeon is not installed")


def test_a_graph_goes_there_and_back(digits: Path) -> None:
    graph = edgec.load(digits)
    again = from_graphsurgeon(to_graphsurgeon(graph))
    verify(again)
    judge = Judge(graph, seeded_inputs(graph))
    for name, array in run(again, judge.inputs).items():
        assert judge.compare(name, array)


def test_an_edit_made_there_arrives_here(digits: Path) -> None:
    surgeon = to_graphsurgeon(edgec.load(digits))
    first = next(node for node in surgeon.nodes if node.op == "Conv")
    surgeon.outputs = list(first.outputs)
    surgeon.outputs[0].dtype = np.float32
    surgeon.cleanup()
    graph = from_graphsurgeon(surgeon)
    assert [op.op_name for op in graph.ops] == ["nn.conv"]
