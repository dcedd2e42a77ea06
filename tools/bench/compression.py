"""Smaller models: what pruning, factorizing and recovery cost and bring.

    python -m edgec.tools.bench.compression --models FOLDER [--table NAME] [--case NAME] [--json X]

Three tables: ``speed`` prunes every model by 30 % of its multiply-accumulates and times both in
onnxruntime; ``quality`` compares ways and goals by how often the answers stay; ``pipeline`` goes
from the float model over prune, factorize and quantize to files for onnxruntime and TFLite.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np

from edgec.ir import Array, Error, Graph, verify, write_atomically
from edgec.kernels import Executor, InMemory, default_shapes, seeded_inputs
from edgec.lowering import target_named
from edgec.lowering.onnx import OnnxRunner
from edgec.passes import Pass, PassContext, Settings
from edgec.tools import driver
from edgec.tools.bench.quant_cases import Case, cases_in
from edgec.tools.bench.timing import Timing, paired

Run: TypeAlias = Callable[[Mapping[str, Array]], Mapping[str, Array]]

UNFIT = ("silero", "kws", "cls_infer")  # recurrent, or next to nothing to take
ROUNDS = 31
SPEED_GOAL = "prune{macs=0.7}"
QUALITY = (
    "prune{macs=%s,importance=l2,recover=false}",
    "prune{macs=%s,samples=32,recover=false},recover{samples=32}",
    "factorize{macs=%s,samples=32,recover=false},recover{samples=32}",
)
PIPELINE = {
    "pruned": "prune{macs=0.8,samples=32}",
    "factorized": "factorize{macs=0.9,samples=32}",
}


@dataclass(frozen=True)
class Row:
    """One line of a table; None where it does not apply."""

    table: str
    case: str
    what: str
    macs: float
    parameters: float | None = None
    size: int | None = None
    latency: Timing | None = None
    agreement: float | None = None
    accuracy: float | None = None
    seconds: float | None = None


def main() -> int:
    parser = argparse.ArgumentParser(prog="compression")
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--table", action="append", choices=sorted(TABLES))
    parser.add_argument("--case", action="append", default=[], help="only those with this in it")
    parser.add_argument("--goal", action="append", default=[], help="of the quality table: 0.9 …")
    parser.add_argument("--json", type=Path, help="write the numbers there, after every row")
    chosen = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    rows: list[Row] = []
    for table in chosen.table or TABLES:
        for row in TABLES[table](chosen):
            rows.append(row)
            print(_line(row), flush=True)
            if chosen.json:
                text = json.dumps([asdict(one) for one in rows], indent=1)
                write_atomically(chosen.json, partial(_write, text))
    return 0


def _write(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")


def _wanted(name: str, chosen: argparse.Namespace) -> bool:
    return not chosen.case or any(part in name for part in chosen.case)


# -- tables ---------------------------------------------------------------------------------------


def speed(chosen: argparse.Namespace) -> Iterator[Row]:
    """Every model that can be pruned, without data: only the shapes matter here."""
    for path in sorted(chosen.models.glob("*.onnx")):
        if any(part in path.name for part in UNFIT) or not _wanted(path.name, chosen):
            continue
        graph = driver.load(path)
        driver.optimize(graph)
        graph = graph.clone(dict(default_shapes(graph)))
        small = graph.clone()
        reports = driver.optimize(small, SPEED_GOAL)
        verify(small)
        times = _timed({"float": graph, "pruned": small}, seeded_inputs(graph))
        share = _macs(small) / _macs(graph)
        params = _parameters(small) / _parameters(graph)
        seconds = sum(report.seconds for report in reports)
        yield Row("speed", path.stem, SPEED_GOAL, share, params, latency=times["pruned"],
                  seconds=seconds)  # fmt: skip


def quality(chosen: argparse.Namespace) -> Iterator[Row]:
    """Ways and goals, before and after recovery."""
    for name, make in cases_in(chosen.models).items():
        if name == "detector" or not _wanted(name, chosen):
            continue
        case = make()
        whole = _optimized(case)
        truth = _outputs(whole, case)
        yield _judged("quality", case, "float", whole, whole, truth)
        for goal in chosen.goal or ("0.9", "0.8", "0.7"):
            for text in QUALITY:
                yield from _stages(case, whole, truth, text % goal)


def _stages(case: Case, whole: Graph, truth: Array, pipeline: str) -> Iterator[Row]:
    """One row after each pass."""
    seen: list[Row] = []
    graph = whole.clone()

    def watch(one: Pass, graph: Graph, context: PassContext) -> None:
        seen.append(_judged("quality", case, str(one), graph, whole, truth))

    try:
        driver.optimize(graph, pipeline, Settings(data=_data(case), watch=watch))
    except Error as error:
        print(f"{case.name}: {pipeline}: {error.message}", file=sys.stderr)
        return
    verify(graph)
    yield from seen


def pipeline(chosen: argparse.Namespace) -> Iterator[Row]:
    """Float, pruned, factorized, quantized: each written, run by its runtime, and timed."""
    for name, make in cases_in(chosen.models).items():
        if name == "detector" or not _wanted(name, chosen):
            continue
        yield from _pipeline(make())


def _pipeline(case: Case) -> Iterator[Row]:
    whole = _optimized(case)
    truth = _outputs(whole, case)
    graphs = {"float": whole}
    graph = whole.clone()
    for stage, text in PIPELINE.items():
        driver.optimize(graph, text, Settings(data=_data(case)))
        verify(graph)
        graphs[stage] = graph.clone()
    with tempfile.TemporaryDirectory() as folder:
        steps = [_written(case, graph, name, "onnx", folder) for name, graph in graphs.items()]
        steps += [
            _written(case, graph, "int8", target, folder, precision="int8-best")
            for target in ("onnx", "tflite")
        ]
        feed = {case.input: case.evaluation[0]}
        calls = {step.name: _bound(step.run, feed) for step in steps}
        times = paired(calls, steps[0].name, rounds=ROUNDS)
        for step in steps:
            row = _judged_by("pipeline", case, step.name, step.graph, whole, truth,
                             _answers(step.run, case))  # fmt: skip
            yield replace(row, size=step.size, latency=times[step.name])


@dataclass(frozen=True)
class Step:
    """A stage of the pipeline as a file in its runtime."""

    name: str
    graph: Graph
    size: int
    run: Run


def _written(
    case: Case, graph: Graph, name: str, target: str, folder: str, precision: str = "fp32"
) -> Step:
    """Compiled, and compared with the reference kernels on the way."""
    to = target_named(target)
    path = Path(folder) / f"{name}-{target}{to.suffix}"
    one = graph.clone(dict(default_shapes(graph)))
    data = None if precision == "fp32" else _data(case)
    made = driver.compile(one, target, path, precision=precision, calibration=data, verify=True)
    return Step(f"{name}, {target}", graph, made.size, to.load(made.path, 1).run)


TABLES: Mapping[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "speed": speed,
    "quality": quality,
    "pipeline": pipeline,
}


# -- measuring ------------------------------------------------------------------------------------


def _optimized(case: Case) -> Graph:
    graph = driver.load(case.model)
    driver.optimize(graph)
    return graph


def _data(case: Case) -> InMemory:
    samples = [{case.input: sample} for sample in case.calibration]
    return InMemory(samples, "calibration")


def _outputs(graph: Graph, case: Case) -> Array:
    return _answers(Executor(graph).run, case)


def _answers(run: Run, case: Case) -> Array:
    found = [next(iter(run({case.input: sample}).values())) for sample in case.evaluation]
    return np.concatenate(found)


def _bound(
    run: Callable[[Mapping[str, Array]], object], feed: Mapping[str, Array]
) -> Callable[[], object]:
    return lambda: run(feed)


def _judged(table: str, case: Case, what: str, graph: Graph, whole: Graph, truth: Array) -> Row:
    return _judged_by(table, case, what, graph, whole, truth, _outputs(graph, case))


def _judged_by(
    table: str,
    case: Case,
    what: str,
    graph: Graph,
    whole: Graph,
    truth: Array,
    answers: Array,
) -> Row:
    top = answers.argmax(1)
    return Row(
        table,
        case.name,
        what,
        _macs(graph) / _macs(whole),
        _parameters(graph) / _parameters(whole),
        agreement=float(np.mean(top == truth.argmax(1))),
        accuracy=None if case.labels is None else float(np.mean(top == case.labels)),
    )


def _timed(graphs: Mapping[str, Graph], inputs: Mapping[str, Array]) -> dict[str, Timing]:
    """Latencies in onnxruntime, in turns; ratios to the first."""
    with tempfile.TemporaryDirectory() as folder:
        calls = {}
        for name, graph in graphs.items():
            path = Path(folder) / f"{name}.onnx"
            driver.save(graph, path)
            calls[name] = _bound(OnnxRunner(path).run, inputs)
        return paired(calls, next(iter(graphs)), rounds=ROUNDS)


def _macs(graph: Graph) -> int:
    bound = graph.clone(dict(default_shapes(graph)))
    return sum(op.work().macs for op in bound.ops)


def _parameters(graph: Graph) -> int:
    return sum(constant.type.elements() for constant in graph.constants)


# -- showing --------------------------------------------------------------------------------------


def _line(row: Row) -> str:
    cells = [
        row.case,
        f"`{row.what}`",
        f"{row.macs:.1%}",
        "" if row.parameters is None else f"{row.parameters:.1%}",
        "" if row.size is None else f"{row.size / 1000:.0f} kB",
        ""
        if row.latency is None
        else f"{row.latency.ratio:.2f} ({row.latency.milliseconds:.2f} ms)",
        "" if row.agreement is None else f"{row.agreement:.1%}",
        "" if row.accuracy is None else f"{row.accuracy:.2%}",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
