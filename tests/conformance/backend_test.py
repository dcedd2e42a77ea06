"""``edgec.backend`` under ONNX's own test runner, as anyone would run it."""

from __future__ import annotations

import contextlib
import io
import unittest
import warnings

import numpy as np
import onnx
import onnx.backend.test
import pytest
from onnx import TensorProto, helper
from onnx.backend.test.runner import BackendIsNotSupposedToImplementIt

import edgec.backend
from edgec import Error
from edgec.tools.conformance.judging import WIDER

# One draw of random numbers is no expectation; six tolerances are below what their types can say
# (docs/conformance.md).
LEFT_OUT = (r"^test_bernoulli", r"^test_training_dropout", *(f"^{name}_cpu" for name in WIDER))


def test_onnx_s_own_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnx computes its expectations with overflowing casts
        tests = onnx.backend.test.BackendTest(edgec.backend, __name__)
    for pattern in LEFT_OUT:
        tests.exclude(pattern)
    tests.exclude("^test_(bvlc|densenet|inception|resnet|shufflenet|squeezenet|vgg|zfnet)")
    result = unittest.TestResult()
    with contextlib.redirect_stdout(io.StringIO()):
        tests.test_suite.run(result)
    broken = {case.id(): text.splitlines()[-1] for case, text in result.failures + result.errors}
    assert not broken
    assert result.testsRun - len(result.skipped) > 1800


def sliced() -> onnx.ModelProto:
    """y = x[starts:ends] along axes, all of them inputs."""
    infos = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 6])]
    infos += [
        helper.make_tensor_value_info(n, TensorProto.INT64, [1]) for n in ("starts", "ends", "axes")
    ]
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, None])
    node = helper.make_node("Slice", ["x", "starts", "ends", "axes"], ["y"])
    graph = helper.make_graph([node], "g", infos, [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def test_axes_that_are_inputs_are_taken_from_the_inputs() -> None:
    ready = edgec.backend.prepare(sliced())
    x = np.arange(24, dtype=np.float32).reshape(4, 6)
    for axis in (0, 1, 0):
        outputs = ready.run([x, np.array([1]), np.array([3]), np.array([axis])])
        np.testing.assert_array_equal(outputs[0], x[1:3] if axis == 0 else x[:, 1:3])
        assert outputs.y is outputs[0]
    named = edgec.backend.run_model(
        sliced(), {"x": x, "starts": np.array([0]), "ends": np.array([1]), "axes": np.array([0])}
    )
    np.testing.assert_array_equal(named[0], x[:1])


def test_a_graph_is_made_once_per_values(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    optimize = edgec.backend.optimize
    monkeypatch.setattr(edgec.backend, "optimize", lambda *a: (made.append(a), optimize(*a)))
    ready = edgec.backend.prepare(sliced())
    x = np.zeros((4, 6), np.float32)
    for axis in (0, 1, 0, 1):
        ready.run([x, np.array([1]), np.array([3]), np.array([axis])])
    assert len(made) == 2


def test_a_refusal_is_what_the_runner_counts_as_unsupported() -> None:
    model = sliced()
    model.graph.node[0].op_type = "StringSplit"
    with pytest.raises(BackendIsNotSupposedToImplementIt, match="text"):
        edgec.backend.run_model(model, [np.zeros((4, 6), np.float32), *[np.array([0])] * 3])


def test_a_wrong_number_of_inputs_is_an_error() -> None:
    with pytest.raises(Error, match="4 inputs, 1 were given"):
        edgec.backend.run_model(sliced(), [np.zeros((4, 6), np.float32)])


def test_only_the_cpu_is_supported() -> None:
    assert edgec.backend.supports_device("CPU")
    assert edgec.backend.supports_device("CPU:0")
    assert not edgec.backend.supports_device("CUDA")
