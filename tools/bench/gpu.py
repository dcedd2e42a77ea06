"""``make test-gpu``'s last step: latency on the first GPU, as the table of docs/tensorrt.md."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgec.ir import Array, Error, Graph, write_atomically
from edgec.kernels import seeded_inputs
from edgec.lowering.onnx import to_model
from edgec.lowering.tensorrt import TENSORRT_TARGET, TensorrtRunner
from edgec.tools import driver
from edgec.tools.bench.models import models_in

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "tensorrt.md"
BEGIN, END = "<!-- latency: begin -->", "<!-- latency: end -->"
PRECISIONS = ("fp32", "fp16", "int8")
COLUMNS = ("model", *(f"{precision} ms" for precision in PRECISIONS), "onnxruntime fp16 ms")
NOT_RUN = "not run"
RUNS = 100


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m edgec.tools.bench.gpu")
    default = Path(os.environ.get("EDGEC_MODELS", ROOT.parent / "shared" / "models"))
    parser.add_argument("--models", type=Path, default=default, help="a folder of .onnx files")
    chosen = parser.parse_args()
    try:
        TENSORRT_TARGET.runtime.require()
    except Error as error:
        print(f"latency: {NOT_RUN}. {error}", file=sys.stderr)
        return 0
    rows = [row_of(path) for path in models_in(chosen.models)]
    replace_table(PAGE, rows)
    return 0


def row_of(path: Path) -> tuple[str, ...]:
    """The cells of one model."""
    graph = driver.load(path)
    inputs = seeded_inputs(graph)
    ours = [_latency(graph, precision, inputs) for precision in PRECISIONS]
    row = (path.stem, *ours, _onnxruntime(graph, inputs))
    print(" | ".join(row), flush=True)
    return row


def _latency(graph: Graph, precision: str, inputs: Mapping[str, Array]) -> str:
    """Median milliseconds of an engine, or why there is none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.engine"
        calibration = "random" if precision == "int8" else None
        try:
            driver.compile(graph, "tensorrt", path, precision=precision, calibration=calibration)
            return f"{TensorrtRunner(path).latency(inputs, runs=RUNS):.3f}"
        except Error as error:
            return error.message.replace("|", "/")[:60]


def _onnxruntime(graph: Graph, inputs: Mapping[str, Array]) -> str:
    """onnxruntime's CUDA provider on the same model in float16, inputs on the GPU."""
    try:
        import onnxruntime as ort
    except ImportError:
        return "not installed"
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        return "no CUDA provider"
    half = graph.clone()
    driver.optimize(half, "O2,fp16")
    model = to_model(half).SerializeToString()
    session = ort.InferenceSession(model, providers=["CUDAExecutionProvider"])
    return f"{_bound_latency(ort, session, inputs):.3f}"


def _bound_latency(ort: Any, session: Any, inputs: Mapping[str, Array]) -> float:
    binding = session.io_binding()
    for name, array in inputs.items():
        binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array, "cuda", 0))
    for output in session.get_outputs():
        binding.bind_output(output.name, "cuda")
    times = []
    for run in range(RUNS + 10):
        begin = time.perf_counter()
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        if run >= 10:
            times.append(time.perf_counter() - begin)
    return 1000 * float(np.median(times))


def replace_table(page: Path, rows: Iterable[tuple[str, ...]]) -> None:
    """Put the table between the page's two marks."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = [f"| {' | '.join(cells)} |" for cells in (COLUMNS, ["---"] * len(COLUMNS), *rows)]
    made = "\n".join([before + BEGIN, "", *lines, "", END + after])
    write_atomically(page, lambda path: _write(path, made))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
