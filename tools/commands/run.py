"""edgec run"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edgec.ir import Array, Code, Error, Graph, write_atomically
from edgec.kernels import Executor, seeded_inputs
from edgec.lowering import TARGETS, Target, read_npz
from edgec.tools import driver, report
from edgec.tools.arguments import add_model, load_model, natural
from edgec.tools.commands.verify import target_of
from edgec.tools.progress import compiling_kernels

NAME = "run"
SUMMARY = "run a model or an artifact, on the reference kernels or on a target's runtime"
EXAMPLES = """\
  edgec run model.onnx
  edgec run model.onnx --inputs x.npz --outputs y.npz
  edgec run model.onnx --backend openvino --seed 7
  edgec run out.tflite --inputs x.npz"""

REFERENCE = "reference"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    backends = [REFERENCE, *sorted({t.runtime.module for t in TARGETS.values()})]
    parser.add_argument("--inputs", metavar="X.NPZ", help="arrays by input name; random if absent")
    parser.add_argument("--outputs", metavar="Y.NPZ", help="write the outputs there")
    parser.add_argument(
        "--backend",
        choices=backends,
        help="what runs it, compiled for it first where it is a model; the reference kernels, or "
        "an artifact's own runtime, by default",
    )
    parser.add_argument("--seed", type=natural, default=0, help="of the random inputs")
    parser.add_argument("--threads", type=natural, default=1)


def run(chosen: argparse.Namespace) -> int:
    if Path(chosen.model).suffix in {t.suffix for t in TARGETS.values()} - {".onnx"}:
        target = target_of(Path(chosen.model))
        backend, arrays = target.runtime.module, _given(chosen)
        seconds, outputs = _run_artifact(target, Path(chosen.model), chosen.threads, arrays)
    else:
        graph = load_model(chosen.model, chosen.input_shape)
        arrays = _given(chosen) if chosen.inputs else seeded_inputs(graph, seed=chosen.seed)
        backend = chosen.backend or REFERENCE
        seconds, outputs = _run_model(_target(backend), graph, chosen, arrays)
    if chosen.outputs:
        write_atomically(Path(chosen.outputs), lambda path: _write_npz(path, outputs))
    _print(chosen, outputs, seconds, backend)
    return 0


def _given(chosen: argparse.Namespace) -> dict[str, Array]:
    if not chosen.inputs:
        raise Error(
            Code.INPUTS,
            f"{chosen.model} does not say what its inputs are like",
            instead="--inputs X.npz, or the model it was made from with --backend",
        )
    return read_npz(Path(chosen.inputs))


def _target(backend: str) -> Target | None:
    found = [t for t in TARGETS.values() if t.runtime.module == backend]
    return found[0] if found else None


def _run_model(
    target: Target | None, graph: Graph, chosen: argparse.Namespace, arrays: dict[str, Array]
) -> tuple[float, dict[str, Array]]:
    """Seconds and outputs of a model, compiled for the target first where it is no file of it."""
    if target is None:
        with compiling_kernels():
            executor = Executor(graph, threads=chosen.threads)
            begin = time.perf_counter()
            outputs = executor.run(arrays)
        return time.perf_counter() - begin, outputs
    if Path(chosen.model).suffix == target.suffix:
        return _run_artifact(target, Path(chosen.model), chosen.threads, arrays)
    target.runtime.require()
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"model{target.suffix}"
        driver.compile(graph, target.name, path)
        return _run_artifact(target, path, chosen.threads, arrays)


def _run_artifact(
    target: Target, path: Path, threads: int, arrays: dict[str, Array]
) -> tuple[float, dict[str, Array]]:
    target.runtime.require()
    runner = target.load(path, threads)
    missing = [name for name in runner.input_names if name not in arrays]
    if missing:
        raise Error(
            Code.INPUTS,
            f"inputs missing: {missing}",
            instead=f"the model's inputs are {list(runner.input_names)}",
        )
    begin = time.perf_counter()
    outputs = runner.run(arrays)
    return time.perf_counter() - begin, outputs


def _write_npz(path: Path, outputs: dict[str, Array]) -> None:
    with path.open("wb") as file:
        np.savez(file, **outputs)  # type: ignore[arg-type]


def _print(
    chosen: argparse.Namespace, outputs: dict[str, Array], seconds: float, backend: str
) -> None:
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
    print(f"{1000 * seconds:.1f} ms on {backend}")
