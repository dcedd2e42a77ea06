"""Integer networks: our kernels against LiteRT's, on the same file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgec.ir import Array
from edgec.kernels import Executor, seeded_inputs
from edgec.lowering.tflite import TfliteRunner
from edgec.tools import driver
from edgec.tools.bench.models import bench_shapes
from edgec.tools.bench.timing import Timing, paired

BASELINE = "XNNPACK"
RESOLVERS = {BASELINE: "xnnpack", "optimized": "builtin", "reference": "reference"}
SAMPLES = 2  # of calibration: the numbers do not matter for the time


@dataclass(frozen=True)
class IntegerRow:
    """One int8 network on one thread, by each of LiteRT's sets of kernels and by ours."""

    name: str
    timing: Mapping[str, Timing]


def integer_row(path: Path, rounds: int) -> IntegerRow:
    """Quantize a model for TensorFlow Lite and time it from float inputs to float outputs."""
    graph = driver.load(path)
    shapes = bench_shapes(graph)
    samples = [seeded_inputs(graph, seed=seed, shapes=shapes) for seed in range(SAMPLES)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.tflite"
        made = driver.compile(graph, "tflite", file, precision="int8", calibration=samples)
        content = file.read_bytes()
    runners = {n: TfliteRunner(content, resolver=r) for n, r in RESOLVERS.items()}
    executor = Executor(made.graph)
    calls = {name: _call(runner, samples[0]) for name, runner in runners.items()}
    calls["edgec"] = _call(executor, samples[0])
    return IntegerRow(path.stem, paired(calls, BASELINE, rounds=rounds))


def _call(runner: TfliteRunner | Executor, inputs: Mapping[str, Array]) -> Callable[[], object]:
    return lambda: runner.run(inputs)
