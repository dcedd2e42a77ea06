"""onnxruntime's own integer operators, read, run on our kernels and compared with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from quantized import quantized

from edgec.ir import Array, Error, dtypes
from edgec.kernels import run
from edgec.lowering.onnx import OnnxRunner, read_onnx, to_model

RNG = np.random.default_rng(0)
GRIDS: Mapping[str, Array] = {
    "s": np.asarray(0.05, np.float32),
    "z": np.asarray(110, np.uint8),
    "t": np.asarray(0.07, np.float32),
    "p": np.asarray(90, np.uint8),
    "u": np.asarray(1 / 256, np.float32),
    "o": np.asarray(0, np.uint8),
    "v": np.asarray(0.3, np.float32),
    "w": RNG.integers(-127, 128, (6, 5), np.int8),
    "ws": RNG.uniform(0.01, 0.02, 5).astype(np.float32),
    "wz": np.zeros(5, np.int8),
    "bias": RNG.integers(-2000, 2000, 5, np.int32),
}
# inputs, attributes, dims of x and y
CASES: Mapping[str, tuple[str, dict[str, object], tuple[int, ...]]] = {
    "QLinearAdd": ("x s z y t p v z", {}, (2, 3, 4, 4)),
    "QLinearMul": ("x s z y t p v z", {}, (2, 3, 4, 4)),
    "QLinearSigmoid": ("x s z u o", {}, (2, 30)),
    "QLinearLeakyRelu": ("x s z t p", {"alpha": 0.2}, (2, 30)),
    "QLinearSoftmax": ("x s z u o", {"axis": -1, "opset": 13}, (4, 9)),
    "QLinearGlobalAveragePool": ("x s z t p", {}, (2, 3, 5, 5)),
    "QLinearAveragePool": (
        "x s z t p", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
        (1, 3, 9, 9),
    ),
    "QLinearConcat": ("v z x s z y t p", {"axis": 1}, (2, 3, 4)),
    "QGemm": ("x s z w ws wz bias v z", {}, (3, 6)),
}  # fmt: skip


def model_of(op_type: str) -> onnx.ModelProto:
    operands, attributes, dims = CASES[op_type]
    names = operands.split()
    u8 = onnx.TensorProto.UINT8
    inputs = [helper.make_tensor_value_info(n, u8, dims) for n in ("x", "y") if n in names]
    node = helper.make_node(op_type, names, ["out"], domain="com.microsoft", **attributes)
    graph = helper.make_graph(
        [node], "g", inputs, [helper.make_tensor_value_info("out", u8, None)],
        [numpy_helper.from_array(a, n) for n, a in GRIDS.items() if n in names],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


@pytest.mark.parametrize("op_type", CASES)
def test_numbers_are_those_of_onnxruntime(op_type: str) -> None:
    model = model_of(op_type)
    inputs = {
        info.name: RNG.integers(0, 256, CASES[op_type][2], np.uint8) for info in model.graph.input
    }
    graph = read_onnx(model)
    found = run(graph, inputs)["out"].astype(int)
    wanted = OnnxRunner(model).run(inputs)["out"].astype(int)
    assert np.abs(found - wanted).max() <= 1
    assert np.mean(found == wanted) > 0.9
    written = OnnxRunner(to_model(graph)).run(inputs)["out"].astype(int)
    assert np.abs(written - wanted).max() <= 1


def test_other_operators_of_that_domain_are_refused_by_name() -> None:
    model = model_of("QLinearAdd")
    model.graph.node[0].op_type = "NhwcMaxPool"
    with pytest.raises(Error, match=r"com\.microsoft"):
        read_onnx(model)


def quantizer_output(path: Path, source: Path, form: str) -> Path:
    """What onnxruntime's own quantizer makes of the digits model."""
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    name = onnx.load(source).graph.input[0].name
    samples = iter([{name: RNG.normal(size=(4, 1, 28, 28)).astype(np.float32)}])

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # the package has no types
        def get_next(self) -> dict[str, Array] | None:
            return next(samples, None)

    quantize_static(
        source, path, Reader(), quant_format=getattr(QuantFormat, form), per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip
    return path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
def test_the_quantizers_models_keep_every_number(digits: Path, tmp_path: Path, form: str) -> None:
    """Read, optimized, completed and written again: the same outputs to the bit."""
    import edgec
    from edgec.passes import PIPELINES, PassManager

    path = quantizer_output(tmp_path / "theirs.onnx", digits, form)
    graph = edgec.load(path)
    PassManager(PIPELINES["O2"].passes()).run(graph)
    inputs = {graph.input_names[0]: RNG.normal(size=(8, 1, 28, 28)).astype(np.float32)}
    theirs = OnnxRunner(path).run(inputs)
    ours = OnnxRunner(to_model(graph)).run(inputs)
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
    assert not any(
        value.type.dtype is dtypes.f32 and value.type.elements() > 1500 for value in graph.constants
    )
    quantized(graph)
    completed = OnnxRunner(to_model(graph)).run(inputs)
    assert all(np.array_equal(completed[name], theirs[name]) for name in theirs)
