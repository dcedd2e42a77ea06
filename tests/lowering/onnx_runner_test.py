"""ONNX Runtime behind our runner."""

from __future__ import annotations

import numpy as np
import pytest

from edgec.ir import Builder, DType, dtypes
from edgec.ir.ops import Cast
from edgec.kernels import run
from edgec.lowering.onnx import OnnxRunner, to_model

pytest.importorskip("onnxruntime", reason="its runner is under test")


@pytest.mark.parametrize("to", [dtypes.f8e4m3fn, dtypes.u8], ids=str)
def test_outputs_of_eight_bits_come_back_as_what_they_are(to: DType) -> None:
    b = Builder()
    graph = b.output(y=b.add(Cast(b.input("x", dtypes.f32, (5,)), to=to)).result)
    x = np.array([0, 0.5, 1, 3, 57], np.float32)
    found = OnnxRunner(to_model(graph)).run({"x": x})["y"]
    assert found.dtype == to.numpy
    assert np.array_equal(found, run(graph, {"x": x})["y"])
