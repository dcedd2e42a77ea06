"""edgec run"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from edgec.ir import Array, Error, Graph, Kind, write_atomically
from edgec.kernels import Executor, seeded_inputs
from edgec.lowering import TARGETS, read_npz
from edgec.tools import report
from edgec.tools.arguments import STANDARD, add_model, load_model, natural
from edgec.tools.progress import compiling_kernels

NAME = "run"
SUMMARY = "run a model, on the reference kernels or on a target's runtime"
EXAMPLES = """\
  edgec run model.onnx
  edgec run model.onnx --inputs x.npz --outputs y.npz
  edgec run model.onnx --backend onnxruntime --seed 7"""

REFERENCE = "reference"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    backends = [REFERENCE, *sorted(t.runtime.module for t in TARGETS.values())]
    parser.add_argument("--inputs", metavar="X.NPZ", help="arrays by input name; random if absent")
    parser.add_argument("--outputs", metavar="Y.NPZ", help="write the outputs there")
    parser.add_argument("--backend", choices=backends, default=REFERENCE)
    parser.add_argument("--seed", type=natural, default=0, help="of the random inputs")
    parser.add_argument("--threads", type=natural, default=1)


def run(chosen: argparse.Namespace) -> int:
    graph = load_model(chosen.model, chosen.input_shape)
    if chosen.inputs:
        arrays = read_npz(Path(chosen.inputs))
    else:
        arrays = seeded_inputs(graph, seed=chosen.seed)
    begin = time.perf_counter()
    if chosen.backend == REFERENCE:
        with compiling_kernels():
            outputs = Executor(graph, threads=chosen.threads).run(arrays)
    else:
        outputs = _run_elsewhere(chosen, graph, arrays)
    seconds = time.perf_counter() - begin
    if chosen.outputs:
        write_atomically(Path(chosen.outputs), lambda path: _write_npz(path, outputs))
    _print(chosen, outputs, seconds)
    return 0


def _run_elsewhere(
    chosen: argparse.Namespace, graph: Graph, arrays: dict[str, Array]
) -> dict[str, Array]:
    target = next(t for t in TARGETS.values() if t.runtime.module == chosen.backend)
    if chosen.model == STANDARD or Path(chosen.model).suffix != target.suffix:
        raise Error(
            Kind.USAGE,
            f"{chosen.backend} runs {target.suffix} files",
            instead=f"edgec compile {chosen.model} -t {target.name} -o out{target.suffix}",
        )
    runner = target.load(Path(chosen.model), chosen.threads)
    missing = [name for name in runner.input_names if name not in arrays]
    if missing:
        raise Error(
            Kind.USAGE,
            f"inputs missing: {missing}",
            instead=f"the model's inputs are {list(graph.input_names)}",
        )
    return runner.run(arrays)


def _write_npz(path: Path, outputs: dict[str, Array]) -> None:
    with path.open("wb") as file:
        np.savez(file, **outputs)  # type: ignore[arg-type]


def _print(chosen: argparse.Namespace, outputs: dict[str, Array], seconds: float) -> None:
    rows = []
    for name, array in outputs.items():
        numbers = array.astype(np.float64) if array.size else np.zeros(1)
        rows.append(
            (
                name,
                str(array.dtype),
                "x".join(map(str, array.shape)) or "scalar",
                f"{numbers.min():.6g}",
                f"{numbers.mean():.6g}",
                f"{numbers.max():.6g}",
            )
        )
    columns = ("output", "type", "shape", "min", "mean", "max")
    if chosen.json:
        entries = [dict(zip(columns, row, strict=True)) for row in rows]
        report.print_json({"seconds": seconds, "outputs": entries})
        return
    report.print_table(columns, rows)
    print(f"{1000 * seconds:.1f} ms on {chosen.backend}")
