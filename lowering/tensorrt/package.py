"""A build package: what a device needs to build its own engine, without edgec and without network.

JetPack's engines must be built on the device. The package holds the model as ONNX in the form that
TensorRT's parser takes, a builder and a checker that run alone, and golden inputs and outputs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from edgec.ir import Array, Dim, Error, Graph, Kind, solve, write_atomically
from edgec.kernels import Executor, seeded_inputs
from edgec.lowering.onnx import write_onnx
from edgec.lowering.tensorrt.profiles import Bounds, bounds_of

OPSET = 17  # TensorRT 8.6 (JetPack 5.1.2) and all later ones parse it
SAMPLES = 4
# The size of the error over that of an output, between the device's arithmetic and the reference
# kernels on the same model: roundings of the type, and integers on the other side of one half.
ALLOWED = {"fp32": 1e-3, "fp16": 2e-2}
ALLOWED_INTEGERS = 1e-1
MODEL = "model.onnx"
PROGRAMS = ("build.py", "check.py")


def write_package(
    lowered: Graph,
    folder: Path,
    *,
    precision: str = "fp32",
    shapes: Mapping[str, Bounds] | None = None,
    samples: Iterable[Mapping[str, Array]] | None = None,
    opset: int = OPSET,
) -> list[Path]:
    """Write the package of a graph into a folder, which is made; returns its files.

    Args:
        lowered: the graph to build, quantized as its target wants it.
        precision: its name, for the checker's bound and for old versions of TensorRT.
        shapes: bounds of inputs with unknown dims.
        samples: golden inputs, the first few of them; seeded random ones when None.

    Raises:
        Error: what ONNX cannot express in that opset, bounds that do not fit, or the disk refuses.
    """
    bounds = bounds_of(lowered, shapes or {})
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Error(Kind.USAGE, f"cannot make {folder}: {error.strerror}") from error
    write_onnx(lowered, folder / MODEL, opset=opset)
    inputs, outputs = golden(lowered, bounds, samples)
    _save(folder / "golden_inputs.npz", inputs)
    _save(folder / "golden_outputs.npz", outputs)
    about = _about(lowered, precision, bounds)
    _text(folder / "package.json", json.dumps(about, indent=2) + "\n")
    _text(folder / "trtexec.sh", "#!/bin/sh\n# What build.py does, by TensorRT's own tool.\n"
          f"{trtexec_line(bounds)}\n")  # fmt: skip
    for name in PROGRAMS:
        source = files("edgec.lowering.tensorrt.onboard") / name
        _text(folder / name, source.read_text(encoding="utf-8"))
    _text(folder / "README.md", _readme(lowered, precision))
    return sorted(folder.iterdir())


def golden(
    graph: Graph, bounds: Mapping[str, Bounds], samples: Iterable[Mapping[str, Array]] | None
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Inputs, and what the reference kernels compute from them, samples along a new first axis."""
    given = list(islice(samples, SAMPLES)) if samples is not None else _seeded(graph, bounds)
    executor = Executor(graph)
    found = [executor.run(inputs) for inputs in given]
    inputs = {name: np.stack([sample[name] for sample in given]) for name in graph.input_names}
    outputs = {name: np.stack([sample[name] for sample in found]) for name in graph.output_names}
    return inputs, outputs


def _seeded(graph: Graph, bounds: Mapping[str, Bounds]) -> list[Mapping[str, Array]]:
    symbols: dict[str, int] = {}
    for value in graph.inputs:
        if value.hint in bounds:
            for dim, size in zip(value.type.dims, bounds[value.hint].usual, strict=True):
                symbols |= _solved(dim, size)
    return [seeded_inputs(graph, seed=seed, shapes=symbols) for seed in range(SAMPLES)]


def _solved(dim: Dim, size: int) -> dict[str, int]:
    return {} if isinstance(dim, int) else solve(dim, size) or {}


def _about(graph: Graph, precision: str, bounds: Mapping[str, Bounds]) -> dict[str, Any]:
    allowed = ALLOWED.get(precision, ALLOWED_INTEGERS)
    return {
        "name": graph.name,
        "model": MODEL,
        "precision": precision,
        "allowed": allowed,
        "shapes": {name: [b.least, b.usual, b.most] for name, b in bounds.items()},
        "inputs": {value.hint: str(value.type) for value in graph.inputs},
        "outputs": {
            name: str(value.type)
            for name, value in zip(graph.output_names, graph.outputs, strict=True)
        },
    }


def trtexec_line(bounds: Mapping[str, Bounds]) -> str:
    """The command of TensorRT's own tool that builds the same engine."""
    words = [
        "trtexec", f"--onnx={MODEL}", "--saveEngine=model.engine", "--stronglyTyped", "--noTF32",
    ]  # fmt: skip
    for option, field in (("minShapes", "least"), ("optShapes", "usual"), ("maxShapes", "most")):
        shapes = [f"{n}:{'x'.join(map(str, getattr(b, field)))}" for n, b in bounds.items()]
        if shapes:
            words.append(f"--{option}={','.join(shapes)}")
    return " ".join(words)


def _readme(graph: Graph, precision: str) -> str:
    return f"""\
# {graph.name}, {precision}: an engine in two steps

On the device, in this folder:

    python3 build.py     # or: sh trtexec.sh
    python3 check.py

`build.py` needs the device's own TensorRT (8.6 or later) and nothing else. `check.py` also needs
numpy and the CUDA runtime library; it runs the engine on `golden_inputs.npz`, compares with
`golden_outputs.npz`, which the reference kernels of edgec computed from `{MODEL}`, and times it.
An engine runs on the kind of device, and with the version of TensorRT, that it was built with.
"""


def _save(path: Path, arrays: Mapping[str, Array]) -> None:
    def write(to: Path) -> None:
        with to.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # names are not numpy's own options

    write_atomically(path, write)


def _text(path: Path, text: str) -> None:
    write_atomically(path, lambda to: _written(to, text))


def _written(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
