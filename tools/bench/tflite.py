"""LiteRT: what edgec writes against what onnx2tf writes, and its integers against our kernels'.

    python -m edgec.tools.bench.tflite --models FOLDER --onnx2tf PYTHON --litert-torch PYTHON
    python -m edgec.tools.bench.tflite --models FOLDER --exact lite0

PYTHON is that of an environment with onnx2tf or litert-torch (each wants one of its own); without
them only our files are timed. Latency is LiteRT with XNNPACK on one thread. onnx2tf's int8 files
are quantized by TensorFlow on the samples that edgec calibrates on. The layouts of the inputs
differ: the peers' have their channels last, and so have ours here (``io_layout=nhwc``).
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from edgec.ir import Array, Graph
from edgec.kernels import seeded_inputs
from edgec.lowering.tflite import TfliteRunner
from edgec.tools import driver
from edgec.tools.bench.litert_torch import has_network, litert_torch_file
from edgec.tools.bench.models import bench_shapes, machine, models_in
from edgec.tools.bench.quant_cases import cases_in
from edgec.tools.bench.tflite_exact import exact
from edgec.tools.bench.timing import Timing, paired

OURS, AGAIN, THEIRS, TORCH = "edgec", "edgec again", "onnx2tf", "litert-torch"
MODELS = "mnist|mobilenet|shufflenet|efficientnet_lite0.ts17|det_infer|yolox|mobilevit|ssdlite"
MOVES = ("TRANSPOSE", "RESHAPE")
SAMPLES = 8  # of calibration: the numbers hardly matter for the time
LIMIT = 400  # seconds that a conversion may take
# Where onnx2tf leaves its files, and what it is asked for.
LEFT = {"fp32": "*_float32.tflite", "int8": "*_integer_quant.tflite"}
ASKED: Mapping[str, Sequence[str]] = {"fp32": (), "int8": ("-oiqt",)}


@dataclass(frozen=True)
class Made:
    """A file with the seconds that it took."""

    content: bytes
    seconds: float

    def moves(self) -> str:
        """Number of transposes and reshapes."""
        counted = builtins(self.content)
        return " + ".join(str(counted[name]) for name in MOVES)


@dataclass(frozen=True)
class Row:
    """One model in one precision; why_not where a peer made none."""

    name: str
    precision: str
    made: Mapping[str, Made]
    timing: Mapping[str, Timing]
    why_not: Mapping[str, str] = field(default_factory=dict)


def row(path: Path, precision: str, pythons: Mapping[str, Path | None], rounds: int) -> Row:
    """Convert one model by all and time the files; ``pythons`` are those of the peers."""
    graph = driver.load(path)
    shapes = bench_shapes(graph)
    samples = [seeded_inputs(graph, seed=seed, shapes=shapes) for seed in range(SAMPLES)]
    made = {OURS: ours(path, precision, samples)}
    why_not: dict[str, str] = {}
    for name, python in pythons.items():
        if python is None or (name == TORCH and not _by_torch(path, precision)):
            continue
        try:
            if name == TORCH:
                made[name] = Made(*litert_torch_file(path.stem, python, LIMIT))
            else:
                made[name] = theirs(path, precision, python, graph, samples)
        except (subprocess.SubprocessError, FileNotFoundError) as error:
            why_not[name] = f"fails ({type(error).__name__})"
            print(str(getattr(error, "stderr", ""))[-600:], file=sys.stderr)
    sizes = {name: array.shape for name, array in samples[0].items()}
    calls = {name: call(one.content, sizes) for name, one in made.items()}
    calls[AGAIN] = call(made[OURS].content, sizes)
    return Row(path.stem, precision, made, paired(calls, OURS, rounds=rounds), why_not)


def _by_torch(path: Path, precision: str) -> bool:
    return precision == "fp32" and has_network(path.stem)


def ours(path: Path, precision: str, samples: Sequence[Mapping[str, Array]]) -> Made:
    """What edgec writes, from the .onnx file on."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "m.tflite"
        calibration = samples if precision == "int8" else None
        begin = time.perf_counter()
        driver.compile(
            driver.load(path), "tflite", out, precision=precision, calibration=calibration,
            options={"io_layout": "nhwc"},
        )  # fmt: skip
        return Made(out.read_bytes(), time.perf_counter() - begin)


def theirs(
    path: Path,
    precision: str,
    python: Path,
    graph: Graph,
    samples: Sequence[Mapping[str, Array]],
) -> Made:
    """What onnx2tf writes, its start included. Raises SubprocessError or FileNotFoundError where it
    fails."""
    with tempfile.TemporaryDirectory() as folder:
        model, out = Path(folder) / path.name, Path(folder) / "made"
        onnx.save(with_shapes(path, samples[0]), model)
        _write_pictures(Path(folder))
        command: list[Any] = [python, "-m", "onnx2tf", "-i", model, "-o", out, "-n"]
        command += ASKED[precision]
        if precision == "int8":
            command += _data(Path(folder), graph, samples)
        tools = f"{python.parent}{os.pathsep}{os.environ['PATH']}"  # it calls onnxsim
        begin = time.perf_counter()
        subprocess.run(
            command, check=True, capture_output=True, timeout=LIMIT, cwd=folder,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "PATH": tools},
        )  # fmt: skip
        seconds = time.perf_counter() - begin
        files = [one for one in out.glob(LEFT[precision]) if "full" not in one.name]
        if not files:
            raise FileNotFoundError("onnx2tf wrote no such file")
        return Made(files[0].read_bytes(), seconds)


def with_shapes(path: Path, inputs: Mapping[str, Array]) -> onnx.ModelProto:
    """The model with the shapes of these inputs and no others, which onnx2tf does best on."""
    model = onnx.load(path)
    for value in model.graph.input:
        if value.name in inputs:
            dims = value.type.tensor_type.shape.dim
            for dim, size in zip(dims, inputs[value.name].shape, strict=True):
                dim.dim_value = size
    del model.graph.value_info[:]
    return model


def _write_pictures(folder: Path) -> None:
    """In place of those that onnx2tf else downloads to compare layouts on."""
    pictures = np.random.default_rng(0).random((20, 128, 128, 3), np.float32)
    np.save(folder / "calibration_image_sample_data_20x128x128x3_float32.npy", pictures)


def _data(folder: Path, graph: Graph, samples: Sequence[Mapping[str, Array]]) -> list[Any]:
    """The samples as onnx2tf reads them: channels last, with a mean and a deviation."""
    found: list[Any] = []
    for name in graph.input_names:
        file = folder / f"{name}.npy"
        np.save(file, np.concatenate([sample[name].transpose(0, 2, 3, 1) for sample in samples]))
        found += ["-cind", name, file, "[[[[0]]]]", "[[[[1]]]]"]
    return found


def call(content: bytes, sizes: Mapping[str, Sequence[int]]) -> Callable[[], object]:
    """One run on numbers that stay in place; what is timed is the interpreter's.

    Args:
        sizes: the shapes of the model's inputs, images with their channels first; a file that
            leaves dims open is resized to them.
    """
    interpreter = TfliteRunner(content)._interpreter
    for details in interpreter.get_input_details():
        if -1 in details["shape_signature"]:
            shape = next(s for s in sizes.values() if len(s) == len(details["shape"]))
            turned = [shape[axis] for axis in (0, 2, 3, 1)] if len(shape) == 4 else shape
            interpreter.resize_tensor_input(details["index"], turned)
    interpreter.allocate_tensors()
    rng = np.random.default_rng(0)
    for details in interpreter.get_input_details():
        array = rng.standard_normal(details["shape"]).astype(details["dtype"])
        interpreter.set_tensor(details["index"], array)
    run: Callable[[], object] = interpreter.invoke
    return run


def builtins(content: bytes) -> Counter[str]:
    """Number of operators by name, without any delegate's."""
    runner = TfliteRunner(content, resolver="builtin")
    return Counter(one["op_name"] for one in runner._interpreter._get_ops_details())


COLUMNS = ("edgec / it", "its ms", "KB", "s", "TRANSPOSE + RESHAPE")


def table(rows: Sequence[Row], peers: Sequence[str]) -> str:
    """The rows as Markdown: edgec's own numbers, then each peer's."""
    heads = ["model", "precision", "edgec, ms", "null", "KB", "s", "TRANSPOSE + RESHAPE"]
    heads += [f"{peer}: {column}" for peer in peers for column in COLUMNS]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    return "\n".join([*lines, *(_line(one, peers) for one in rows)])


def _line(one: Row, peers: Sequence[str]) -> str:
    mine, timing = one.made[OURS], one.timing
    cells = [
        one.name, one.precision, f"{timing[OURS].milliseconds:.2f}", f"{timing[AGAIN].ratio:.3f}",
        f"{len(mine.content) / 1000:.0f}", f"{mine.seconds:.2f}", mine.moves(),
    ]  # fmt: skip
    for peer in peers:
        cells += _cells(one, peer)
    return f"| {' | '.join(cells)} |"


def _cells(one: Row, peer: str) -> list[str]:
    other = one.made.get(peer)
    if other is None:
        return [one.why_not.get(peer, ""), *[""] * (len(COLUMNS) - 1)]
    timing = one.timing[peer]
    return [
        f"{1 / timing.ratio:.3f}", f"{timing.milliseconds:.2f}",
        f"{len(other.content) / 1000:.0f}", f"{other.seconds:.1f}", other.moves(),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=Path, required=True, help="a folder of .onnx files")
    parser.add_argument("--only", default=MODELS, help="models whose names match this expression")
    parser.add_argument("--onnx2tf", type=Path, metavar="PYTHON", help="a Python that has onnx2tf")
    parser.add_argument(
        "--litert-torch", type=Path, metavar="PYTHON", help="one that has litert-torch and timm"
    )
    parser.add_argument("--precision", choices=tuple(ASKED), action="append")
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--exact", metavar="CASE", help="compare integers; lite0, digits-mbv2, …")
    parser.add_argument("--samples", type=int, help="of --exact, at most")
    chosen = parser.parse_args()
    if chosen.exact:
        case = cases_in(chosen.models)[chosen.exact]()
        print(f"{case.name}: {exact(case, case.evaluation[: chosen.samples])}")
        return
    pythons = {THEIRS: chosen.onnx2tf, TORCH: chosen.litert_torch}
    peers = [name for name, python in pythons.items() if python is not None]
    rows = []
    for path in models_in(chosen.models):
        if re.search(chosen.only, path.stem):
            for precision in chosen.precision or ASKED:
                rows.append(row(path, precision, pythons, chosen.rounds))
                print(_line(rows[-1], peers), flush=True)
    print(f"\n{machine()}, load {os.getloadavg()[0]:.1f}, {chosen.rounds} rounds\n")
    print(table(rows, peers))


if __name__ == "__main__":
    main()
