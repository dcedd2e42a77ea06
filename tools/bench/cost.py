"""The cost model against onnxruntime's measured times, op by op.

Each optimized model runs under onnxruntime's profiler on one thread, with all of its optimizations.
The nodes of one op are added up; what onnxruntime put in beside them (reordering into its blocked
layout) belongs to no op and only counts in the total. An op that it merged into its neighbour has
no time of its own and is left out of the correlation.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from edgec.ir import Array, DeviceProfile, Op
from edgec.kernels import seeded_inputs
from edgec.lowering.onnx import to_model
from edgec.passes import estimate
from edgec.tools import driver
from edgec.tools.bench.models import bench_shapes

WARM_UPS = 3
SUFFIX = "_kernel_time"
BLOCKED = "_nchwc"
NAMED_AFTER = 4  # source nodes that the writer of ONNX names a node after


@dataclass(frozen=True)
class CostRow:
    """One model.

    Attributes:
        estimated: milliseconds of all ops.
        measured: milliseconds of all nodes.
        unassigned: milliseconds of the nodes that belong to no op.
        correlation: Spearman's, over ops.
        within: share of the measured time in ops whose estimate is within a factor of 2.
        kinds: by kind of op, estimated and measured milliseconds.
    """

    name: str
    ops: int
    estimated: float
    measured: float
    unassigned: float
    correlation: float
    within: float
    kinds: Mapping[str, tuple[float, float]]


def cost_row(path: Path, device: DeviceProfile, rounds: int) -> CostRow:
    """Estimate and measure one model on this machine."""
    graph = driver.load(path)
    shapes = bench_shapes(graph)
    driver.optimize(graph)
    model = to_model(graph)
    feed = seeded_inputs(graph, shapes=shapes)
    ops = list(graph.ops)
    costs = estimate(graph, device, shapes=shapes).ops
    times = node_times(model, feed, rounds)
    measured = _by_op(ops, model, times)
    expected: dict[str, float] = defaultdict(float)
    kinds: dict[str, tuple[float, float]] = {}
    for op, cost in zip(ops, costs, strict=True):
        key = _key(op)
        before = kinds.get(op.op_name, (0.0, 0.0))
        own = 0.0 if key in expected else 1000 * measured.get(key, 0.0)
        kinds[op.op_name] = (before[0] + 1000 * cost.seconds, before[1] + own)
        expected[key] += cost.seconds
    keys = [key for key in expected if measured.get(key, 0) > 0]
    pairs = np.array([[expected[key], measured[key]] for key in keys])
    return CostRow(
        name=path.stem,
        ops=len(keys),
        estimated=1000 * sum(expected.values()),
        measured=1000 * sum(times.values()),
        unassigned=1000 * (sum(times.values()) - sum(measured.values())),
        correlation=spearman(pairs[:, 0], pairs[:, 1]),
        within=_within(pairs, 2.0),
        kinds=kinds,
    )


def node_times(model: onnx.ModelProto, feed: Mapping[str, Array], rounds: int) -> dict[str, float]:
    """Seconds of each node by name, the median of some runs, from onnxruntime's profiler."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.enable_profiling = True
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory(prefix="edgec-") as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        inputs = {entry.name: feed[entry.name] for entry in session.get_inputs()}
        for _ in range(WARM_UPS + rounds):
            session.run(None, inputs)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    times: dict[str, list[float]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith(SUFFIX):
            times[event["name"].removesuffix(SUFFIX)].append(1e-6 * event["dur"])
    return {
        name: statistics.median(found[WARM_UPS:] or found) for name, found in times.items() if name
    }


def spearman(a: Array, b: Array) -> float:
    """The rank correlation; equal numbers share the mean of their ranks."""
    if len(a) < 2:
        return 1.0
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def _ranks(numbers: Array) -> Array:
    _, places, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Array = (ends - (counts - 1) / 2)[places]
    return ranks


def _within(pairs: Array, factor: float) -> float:
    ratio = pairs[:, 0] / pairs[:, 1]
    good = (ratio < factor) & (ratio > 1 / factor)
    return float(pairs[good, 1].sum() / pairs[:, 1].sum())


def _by_op(ops: list[Op], model: onnx.ModelProto, times: Mapping[str, float]) -> dict[str, float]:
    """Times by op. A node of ours is named after the source nodes of its op, and a number where it
    is not the first; onnxruntime names those that it made after what they compute."""
    keys = {_key(op) for op in ops}
    owners: dict[str, str] = {}
    for node in model.graph.node:
        base, dot, number = node.name.rpartition(".")
        key = base if node.name not in keys and dot and number.isdigit() else node.name
        owners.update(dict.fromkeys((node.name, *node.output), key))
    found: dict[str, float] = defaultdict(float)
    for name, seconds in times.items():
        owner = owners.get(name.removesuffix(BLOCKED))
        if owner in keys:
            found[owner] += seconds
    return found


def _key(op: Op) -> str:
    return "+".join(op.loc[:NAMED_AFTER]) or op.results[0].hint
