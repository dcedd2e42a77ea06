"""What tests of quantized graphs share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx

from edgec.ir import Array, Builder, Graph, Op, Range, Value, dtypes, verify
from edgec.ir.ops import Conv, Dequantize
from edgec.kernels import Executor
from edgec.lowering.onnx import OnnxRunner, to_model
from edgec.passes import PassManager, PassReport, Settings
from edgec.passes.quantize import Quantize


def record_ranges(graph: Graph, samples: Sequence[Mapping[str, Array]]) -> None:
    """The least and the greatest number of every float value."""
    seen: dict[Value, tuple[float, float]] = {}

    def record(value: Value, array: Array) -> None:
        if array.dtype == np.float32 and array.size:
            low, high = seen.get(value, (np.inf, -np.inf))
            seen[value] = min(low, float(array.min())), max(high, float(array.max()))

    def tap(op: Op, results: Sequence[Array]) -> None:
        for value, array in zip(op.results, results, strict=True):
            record(value, array)

    executor = Executor(graph)
    for sample in samples:
        for value in graph.inputs:
            record(value, sample[value.hint])
        executor.run(sample, tap=tap)
    for value, (low, high) in seen.items():
        value.range = Range(low, high)


def quantized(graph: Graph, **options: str) -> PassReport:
    """Quantize in place."""
    (report,) = PassManager([Quantize(**options)], Settings(verify_each=True)).run(graph)
    verify(graph)
    return report


def between_layers(
    middle: Callable[[Builder, Value], Sequence[Value]], seed: int = 0
) -> tuple[Graph, dict[str, Array]]:
    """A graph of a convolution, what ``middle`` adds after it, and its inputs; with ranges."""
    rng = np.random.default_rng(seed)
    builder = Builder("layers")
    x = builder.input("x", dtypes.f32, (1, 4, 8, 8))
    weights = builder.const(rng.normal(0, 0.5, (8, 4, 1, 1)), dtypes.f32)
    bias = builder.const(rng.normal(0, 0.5, 8), dtypes.f32)
    first = builder.add(Conv(x, weights, bias))
    first.result.hint = "first"
    results = middle(builder, first.result)
    graph = builder.output(**{f"y{i}": result for i, result in enumerate(results)})
    inputs = {"x": rng.normal(0, 1, (1, 4, 8, 8)).astype(np.float32)}
    record_ranges(graph, [inputs])
    return graph, inputs


def steps(graph: Graph) -> list[float]:
    """The scale on which each output is stored."""
    found = []
    for value in graph.outputs:
        assert isinstance(value.producer, Dequantize), f"%{value.hint} is not stored"
        found.append(float(value.producer.scale.array.reshape(())))  # type: ignore[attr-defined]
    return found


def optimized_operators(model: onnx.ModelProto, folder: Path) -> list[str]:
    """The operators of the graph that onnxruntime makes of a model."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    saved = onnx.load(folder / "optimized.onnx")
    return [node.op_type for node in saved.graph.node]


def in_onnxruntime(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    return OnnxRunner(to_model(graph)).run(inputs)
