"""Every real model, through OpenVINO."""

from __future__ import annotations

from pathlib import Path

import pytest
from models.models_test import NAMES

import edgec

pytest.importorskip("openvino", reason="openvino is not installed: pip install 'edgec[openvino]'")


@pytest.mark.parametrize("name", NAMES)
def test_compiles_and_verifies(models: Path, name: str, tmp_path: Path) -> None:
    graph = edgec.load(models / f"{name}.onnx")
    compiled = edgec.compile(graph, "openvino", tmp_path / f"{name}.xml", verify=True)
    assert compiled.verification is not None
    assert compiled.verification.ok
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{name}.bin", f"{name}.xml"]
