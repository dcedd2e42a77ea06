"""ONNX's published cases of control flow, recurrent layers and suppression, through LiteRT."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import edgec
from edgec.ir import Error
from edgec.lowering.tflite import TfliteRunner, to_bytes
from edgec.tools.conformance.cases import Case, cases

pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed: pip install 'edgec[tflite]'")

KINDS = {"GRU", "If", "LSTM", "Loop", "NonMaxSuppression", "RNN", "Scan"}
FOUND = [c for c in cases("node") if KINDS & {node.op_type for node in c.model.graph.node}]
WRITTEN = 50  # the others carry sequences, or dims that nothing tells


def test_what_is_written_gives_the_published_results(tmp_path: Path) -> None:
    written = [case for case in FOUND if _agrees(case, tmp_path / "m.onnx")]
    assert len(written) >= WRITTEN


def _agrees(case: Case, path: Path) -> bool:
    """True for a case that is written, and whose results are right; False for a refused one."""
    onnx.save(case.model, path)
    try:
        graph = edgec.load(path)
        edgec.optimize(graph)
        content = to_bytes(graph)
    except Error:
        return False
    runner = TfliteRunner(content)
    for inputs, outputs in case.data_sets():
        names = [value.name for value in case.model.graph.input if value.name]
        given = dict(zip(names, inputs, strict=False))
        found = runner.run({name: given[name] for name in runner.input_names})
        for value, expected in zip(case.model.graph.output, outputs, strict=True):
            np.testing.assert_allclose(  # as ONNX's own runner allows
                found[value.name], expected, rtol=1e-3, atol=1e-7, err_msg=case.name
            )
            assert found[value.name].shape == expected.shape, case.name
    return True
