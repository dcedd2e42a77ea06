"""What ONNX Runtime computes wrongly leaves `edgec compile` in a form that it computes right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgec.ir import Builder, Graph, dtypes
from edgec.ir.ops import MatMul, Transpose
from edgec.tools import driver

pytest.importorskip("onnxruntime", reason="the defect is ONNX Runtime's")


def _product(vector_first: bool, biased: bool) -> Graph:
    b = Builder()
    x = b.input("x", dtypes.f32, ("N", 2, 3))
    v = b.input("v", dtypes.f32, (3,) if vector_first else (2,))
    bias = b.const(np.arange(2 if vector_first else 3), dtypes.f32) if biased else None
    if vector_first:
        return b.output(y=b.add(MatMul(v, x, bias, transpose_b=True)).result)
    return b.output(y=b.add(MatMul(x, v, bias, transpose_a=True)).result)


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("vector_first", [False, True])
def test_a_transposed_matrix_times_a_vector(
    vector_first: bool, biased: bool, tmp_path: Path
) -> None:
    graph = _product(vector_first, biased)
    compiled = driver.compile(graph, "onnx", tmp_path / "m.onnx", pipeline="O0", verify=True)
    assert compiled.verification is not None
    assert compiled.verification.ok


def test_a_transpose_op_before_a_vector(tmp_path: Path) -> None:
    b = Builder()
    x = b.input("x", dtypes.f32, (2, 2, 3))
    v = b.input("v", dtypes.f32, (2,))
    turned = b.add(Transpose(x, perm=(0, 2, 1))).result
    graph = b.output(y=b.add(MatMul(turned, v)).result)
    compiled = driver.compile(graph, "onnx", tmp_path / "m.onnx", pipeline="O0", verify=True)
    assert compiled.verification is not None
    assert compiled.verification.ok
