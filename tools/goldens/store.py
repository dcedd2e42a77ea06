"""A golden on disk: ``NAME.json`` says what was done, ``NAME.npz`` holds the arrays.

The arrays are outputs, ``0/out/NAME`` for the first set of inputs, and inputs (``0/in/NAME``) where
they cannot be drawn again from a seed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgec.ir import Array, Code, Error, Kind, write_together
from edgec.lowering import read_npz

FORMAT = 1

Arrays = Mapping[str, Array]


@dataclass(frozen=True)
class Spec:
    """What to compile, and on which inputs to run it.

    Attributes:
        model: path of the model; in a stored golden relative to it.
        target: one of ``edgec targets``.
        pipeline: passes; the target's own when None.
        precision: one of ``edgec.passes.PRESETS``.
        options: of the target's writer.
        seeds: of random inputs.
        inputs: sets of inputs instead of random ones.
        calibration: what integers are chosen from: an .npz, a folder, or 'random'.
    """

    model: str
    target: str = "onnx"
    pipeline: str | None = None
    precision: str = "fp32"
    options: Mapping[str, Any] = field(default_factory=dict)
    seeds: Sequence[int] = (0,)
    inputs: Sequence[Arrays] = ()
    calibration: str | None = None


@dataclass(frozen=True)
class Golden:
    """A recorded compilation and its numbers.

    Attributes:
        spec: what was compiled.
        model_hash: sha256 of the model's file.
        versions: of edgec, of numpy, and of the runtime.
        outputs: arrays by name, for each set of inputs.
        tolerances: for each output the relative difference that rounding explains.
        graph: the optimized graph as text, by lines.
        ops: number of ops of each kind.
        files: sha256 of each file of the artifact.
        size: of all its files, in bytes.
        layers: mean, deviation and largest magnitude of each layer of the model, by name, on the
            first set of inputs.
        latency: median seconds over those of the peer; None where it was not measured.
        peer: what latency is measured against.
    """

    spec: Spec
    model_hash: str
    versions: Mapping[str, str]
    outputs: Sequence[Arrays]
    tolerances: Mapping[str, float]
    graph: Sequence[str]
    ops: Mapping[str, int]
    files: Mapping[str, str]
    size: int
    layers: Mapping[str, Sequence[float]]
    latency: float | None = None
    peer: str = ""


def save_golden(golden: Golden, path: Path) -> None:
    """Write both files; ``path`` is that of the .json. Neither appears without the other."""
    content = asdict(golden)
    sets = content.pop("outputs")
    stored = content["spec"].pop("inputs")
    arrays = {f"{i}/out/{name}": array for i, one in enumerate(sets) for name, array in one.items()}
    arrays |= {f"{i}/in/{name}": a for i, one in enumerate(stored) for name, a in one.items()}
    text = json.dumps({"format": FORMAT, **content}, indent=1, sort_keys=True) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_together(
        [
            (path.with_suffix(".npz"), lambda p: _write_arrays(arrays, p)),
            (path, lambda p: _write_text(text, p)),
        ]
    )


def load_golden(path: Path) -> Golden:
    """Read what ``save_golden`` wrote. Raises Error when a file is missing or no golden."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = content.pop("format")
    except OSError as error:
        raise Error(
            Code.NO_FILE, f"cannot read {path}: {error.strerror}", instead="edgec golden record"
        ) from error
    except (ValueError, KeyError, AttributeError) as error:
        raise Error(Kind.READ, f"{path} is no golden") from error
    if found != FORMAT:
        raise Error(Kind.READ, f"{path} has format {found}, this version reads {FORMAT}")
    arrays = read_npz(path.with_suffix(".npz"))
    try:
        spec = Spec(**{**content.pop("spec"), "inputs": _sets(arrays, "in")})
        return Golden(spec=spec, outputs=_sets(arrays, "out"), **content)
    except (TypeError, KeyError, ValueError) as error:
        raise Error(Kind.READ, f"{path} is no golden: {error}") from error


def _sets(arrays: Arrays, kind: str) -> list[dict[str, Array]]:
    found: dict[int, dict[str, Array]] = {}
    for key, array in arrays.items():
        number, stored, name = key.split("/", 2)
        if stored == kind:
            found.setdefault(int(number), {})[name] = array
    return [found[number] for number in sorted(found)]


def _write_arrays(arrays: Arrays, path: Path) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, **dict(arrays))  # type: ignore[arg-type]


def _write_text(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")
