"""Benchmarks over real models: nodes, compile time, output latency, kernels."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from edgec.ir import Array, Graph, symbols
from edgec.kernels import Executor, adds_bytes_in_16_bits, seeded_inputs
from edgec.lowering.onnx import OnnxRunner, read_onnx
from edgec.tools import driver
from edgec.tools.bench.peers import OPTIMIZERS, node_count
from edgec.tools.bench.timing import Timing, best_of, paired

REFERENCE_BASELINE = "onnxruntime"


@dataclass(frozen=True)
class ModelRow:
    """One model through every optimizer.

    Attributes:
        nodes: left by each optimizer, as onnxruntime would load them; None where it failed.
        seconds: from file to optimized model in memory.
        latency: of onnxruntime on each result, paired against the best peer's.
    """

    name: str
    nodes: Mapping[str, int | None]
    seconds: Mapping[str, float | None]
    latency: Mapping[str, Timing]


def models_in(folder: Path) -> list[Path]:
    """Every .onnx file of a folder, by name."""
    return sorted(folder.glob("*.onnx"))


def model_row(path: Path, rounds: int) -> ModelRow:
    """Run one model through every optimizer and time what comes out."""
    made: dict[str, onnx.ModelProto] = {}
    nodes: dict[str, int | None] = {}
    seconds: dict[str, float | None] = {}
    for name, optimizer in OPTIMIZERS.items():
        model, took = _optimized(optimizer, path)
        nodes[name] = node_count(model.graph) if model is not None else None
        seconds[name] = took
        if model is not None:
            made[name] = model
    return ModelRow(path.stem, nodes, seconds, _latencies(made, rounds))


def _optimized(
    optimizer: Callable[[Path], onnx.ModelProto], path: Path
) -> tuple[onnx.ModelProto | None, float | None]:
    """What an optimizer makes and its best time of three; None where a peer fails."""
    try:
        model = optimizer(path)
    except Exception:  # noqa: BLE001  (a peer may fail in any way; its row then says so)
        return None, None
    return model, best_of(lambda: optimizer(path))


def _latencies(made: Mapping[str, onnx.ModelProto], rounds: int) -> dict[str, Timing]:
    graph = read_onnx(made["original"])
    feed = seeded_inputs(graph, shapes=bench_shapes(graph))
    runners = {name: OnnxRunner(model) for name, model in made.items()}
    runners["original again"] = OnnxRunner(made["original"])  # the null control
    calls = {name: _call(runner, feed) for name, runner in runners.items()}
    first = paired(calls, "original", rounds=rounds)
    peers = [name for name in first if name not in ("edgec", "original again")]
    best = min(peers, key=lambda name: first[name].ratio)
    return paired(calls, best, rounds=rounds, seed=1)


def _call(runner: OnnxRunner, feed: Mapping[str, Array]) -> Callable[[], object]:
    inputs = {name: feed[name] for name in runner.input_names}
    return lambda: runner.session.run(None, inputs)


def bench_shapes(graph: Graph) -> dict[str, int]:
    """Symbolic spatial dims are 320 (a detector's page), batch is 1."""
    found: dict[str, int] = {}
    for value in graph.inputs:
        for axis, dim in enumerate(value.type.dims):
            if axis >= 2 and not isinstance(dim, int):
                found.update(dict.fromkeys(symbols(dim), 320))
    return found


@dataclass(frozen=True)
class KernelRow:
    """The reference kernels on a whole network against onnxruntime and ONNX's evaluator."""

    name: str
    timing: Mapping[str, Timing]
    evaluator_ratio: float


def kernel_row(path: Path, rounds: int) -> KernelRow:
    """Optimized graph on our executor, against onnxruntime (1 thread) on the original."""
    from onnx.reference import ReferenceEvaluator

    graph = driver.load(path)
    feed = seeded_inputs(graph, shapes=bench_shapes(graph))
    driver.optimize(graph, "O2")
    executor = Executor(graph)
    runner = OnnxRunner(path)
    timing = paired(
        {REFERENCE_BASELINE: _call(runner, feed), "edgec": lambda: executor.run(feed)},
        REFERENCE_BASELINE,
        rounds=rounds,
    )
    evaluator = ReferenceEvaluator(str(path))
    seconds = best_of(lambda: evaluator.run(None, dict(feed)), repeats=1)
    return KernelRow(path.stem, timing, 1000 * seconds / timing["edgec"].milliseconds)


def geometric_mean(values: Sequence[float]) -> float:
    return float(np.exp(np.mean(np.log(values))))


def machine() -> str:
    """What the numbers were measured on, without naming the machine."""
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file if "model name" in line), "?")
    features = ", no VNNI" if adds_bytes_in_16_bits() else ""
    return f"{model}{features}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}"
