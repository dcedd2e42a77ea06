"""Integer networks in LiteRT's reference kernels and in ours, element by element.

    python -m edgec.tools.bench.tflite --models FOLDER --exact lite0

Every integer tensor that the file computes is compared, on every sample.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgec.ir import Array, Graph, Op
from edgec.kernels import Executor
from edgec.lowering.tflite import TfliteRunner, to_file
from edgec.tools import driver
from edgec.tools.bench.quant_cases import Case

INTEGERS = (np.int8, np.int32)


@dataclass
class Exact:
    """What was compared.

    Attributes:
        tensors: integer tensors that the file computes, by name, with the elements compared.
        unmatched: those of the file's tensors that no op of our graph computes.
        differences: elements that differ, by the name of their tensor.
        same_outputs: samples whose outputs are equal, dequantized as they are.
        same_top: samples on which the integer and the float model name the same class.
    """

    samples: int = 0
    tensors: dict[str, int] = field(default_factory=dict)
    unmatched: set[str] = field(default_factory=set)
    differences: dict[str, int] = field(default_factory=dict)
    same_outputs: int = 0
    same_top: int = 0

    def __str__(self) -> str:
        differing = sum(self.differences.values())
        first = f", first in {next(iter(self.differences))}" if self.differences else ""
        return (
            f"{self.samples} samples, {len(self.tensors)} integer tensors each "
            f"({len(self.unmatched)} without a counterpart), {sum(self.tensors.values()):,} "
            f"elements, {differing:,} differ{first}; outputs equal on {self.same_outputs}; "
            f"top-1 as in float on {self.same_top}"
        )


def exact(case: Case, samples: Sequence[Array]) -> Exact:
    """Quantize a model for TensorFlow Lite; compare every integer tensor of every sample."""
    graph = driver.load(case.model)
    calibration = [{case.input: array} for array in case.calibration]
    with tempfile.TemporaryDirectory() as folder:
        file, single = Path(folder) / "int8.tflite", Path(folder) / "float.tflite"
        made = driver.compile(graph, "tflite", file, precision="int8", calibration=calibration)
        driver.compile(graph, "tflite", single)
        reference = TfliteRunner(file, resolver="reference")
        floats = TfliteRunner(single)
    executor = Executor(made.graph)
    names = _names(made.graph)
    found = Exact()
    for sample in samples:
        inputs = {case.input: sample}
        shown = reference.run_with_taps(inputs)
        ours = _compared(executor, inputs, names, shown, found)
        [name] = graph.output_names
        found.samples += 1
        found.same_outputs += bool(np.array_equal(ours[name], shown[name]))
        found.same_top += _top(ours[name]) == _top(floats.run(inputs)[name])
    return found


def _names(graph: Graph) -> dict[Op, list[str]]:
    """What the file calls the results of each op: those of the last operator written for it."""
    return {
        operator.source: [tensor.name for tensor in operator.results]
        for operator in to_file(graph).main.operators
        if operator.source is not None
    }


def _compared(
    executor: Executor,
    inputs: dict[str, Array],
    names: dict[Op, list[str]],
    shown: dict[str, Array],
    found: Exact,
) -> dict[str, Array]:
    """Our outputs, with the tensors on the way compared with what LiteRT shows."""
    left = {name for name, array in shown.items() if array.dtype in INTEGERS}

    def look(op: Op, results: Sequence[Array]) -> None:
        for name, array in zip(names.get(op, ()), results, strict=False):
            if name not in left or array.dtype != shown[name].dtype:
                continue
            left.discard(name)
            other = shown[name]
            count = int((array != other).sum()) if array.shape == other.shape else array.size
            found.tensors[name] = found.tensors.get(name, 0) + array.size
            if count:
                found.differences[name] = found.differences.get(name, 0) + count

    outputs = executor.run(inputs, tap=look)
    found.unmatched |= left
    return outputs


def _top(output: Array) -> int:
    return int(output.reshape(-1).argmax())
