"""Arm's Ethos-U as a target: TensorFlow Lite files of 8-bit integers, compiled by Vela."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from edgec.ir import Graph
from edgec.lowering.ethosu.survey import SYSTEM, survey, surveyed, system_of
from edgec.lowering.ethosu.vela import compile_with_vela, require_vela
from edgec.lowering.target import Options, Runner, Runtime, Target, register
from edgec.lowering.tflite.container import pack
from edgec.lowering.tflite.devices import (
    device_file,
    refused_by_integer_device,
    require_suffix,
)
from edgec.lowering.tflite.runner import TfliteRunner
from edgec.lowering.tflite.scheme import DEVICE_SCHEME
from edgec.lowering.tflite.shuffles import absorb_shuffles
from edgec.lowering.tflite.table import TFLITE
from edgec.lowering.tflite.target import LAYOUTS

PIPELINE = "O2,integerize,layout{to=nhwc,io=free},cleanup,cse,dce"
EDGES = ("io_layout", "io_dtype")
RUNTIME = Runtime("ethosu", "ethos-u")


def _write(graph: Graph, path: Path, options: Options) -> None:
    """Three files: what Vela compiled, the integers that it was compiled from (which LiteRT runs,
    to the same integers), and Vela's report."""
    require_vela()
    require_suffix(path, ".tflite")
    file, notes = device_file(graph, {name: options[name] for name in EDGES if name in options})
    system = system_of(options)
    plain = integers_beside(path)
    plain.write_bytes(pack(file))
    with tempfile.TemporaryDirectory() as folder:
        vela = compile_with_vela(plain, Path(folder), system)
        shutil.copyfile(vela.artifact, path)
    report = surveyed(file.main, vela, system, notes).as_json()
    text = json.dumps({**report, "summary": dict(vela.summary)}, indent=2)
    path.with_name(f"{path.stem}_vela.json").write_text(text, encoding="utf-8")


def integers_beside(path: Path) -> Path:
    """The file that an artifact was compiled from."""
    return path.with_name(f"{path.stem}_int8.tflite")


def _load(path: Path, threads: int) -> Runner:
    """LiteRT knows no ethos-u operator: the file that was compiled runs in its place."""
    plain = integers_beside(path)
    return TfliteRunner(plain if plain.exists() else path, threads, resolver="reference")


ETHOSU_TARGET = register(
    Target(
        name="ethos-u",
        summary="8-bit TensorFlow Lite files for Arm Ethos-U, compiled by Vela",
        suffix=".tflite",
        pipeline=PIPELINE,
        rules=TFLITE,
        legalize=absorb_shuffles,
        refused=refused_by_integer_device,
        write=_write,
        runtime=RUNTIME,
        load=_load,
        precisions=("int8",),
        option_names=(*EDGES, *SYSTEM),
        scheme=DEVICE_SCHEME,
        layouts=LAYOUTS,
        survey=survey,
    )
)
