"""TensorFlow Lite for Microcontrollers as a target: C++ sources."""

from __future__ import annotations

from pathlib import Path

from edgec.ir import Graph
from edgec.lowering.target import Options, Runner, Target, register
from edgec.lowering.tflite.container import pack
from edgec.lowering.tflite.devices import device_file, require_suffix
from edgec.lowering.tflite.runner import TfliteRunner
from edgec.lowering.tflite.runtime import RUNTIME
from edgec.lowering.tflite.scheme import DEVICE_SCHEME
from edgec.lowering.tflite.shuffles import absorb_shuffles
from edgec.lowering.tflite.table import TFLITE
from edgec.lowering.tflite.target import LAYOUTS
from edgec.lowering.tflite_micro.arena import arena_of
from edgec.lowering.tflite_micro.ops import refused, registrations
from edgec.lowering.tflite_micro.sources import header_text, identifier, model_of, source_text

OPTIONS = ("io_layout", "io_dtype")
PIPELINE = "O2,integerize,layout{to=nhwc,io=free},cleanup,cse,dce"


def _write(graph: Graph, path: Path, options: Options) -> None:
    """A source and a header of the same stem."""
    require_suffix(path, ".cc")
    given = {name: options[name] for name in OPTIONS if name in options}
    file, notes = device_file(graph, given)
    data, arena, name = pack(file), arena_of(file.main), identifier(path.stem)
    header = path.with_suffix(".h")
    said = [
        file.description,
        f"arena: {arena.planned} bytes of activations, about {arena.kept} of the interpreter's own",
        *notes,
    ]
    path.write_text(source_text(name, header.name, data), encoding="utf-8")
    text = header_text(name, arena.total, registrations(file.main), said)
    header.write_text(text, encoding="utf-8")


def _load(path: Path, threads: int) -> Runner:
    """The array in LiteRT, without a delegate."""
    return TfliteRunner(model_of(path), threads, resolver="builtin")


TFLITE_MICRO_TARGET = register(
    Target(
        name="tflite-micro",
        summary="C++ sources for TensorFlow Lite for Microcontrollers: array, arena, operators",
        suffix=".cc",
        pipeline=PIPELINE,
        rules=TFLITE,
        legalize=absorb_shuffles,
        refused=refused,
        write=_write,
        runtime=RUNTIME,
        load=_load,
        option_names=OPTIONS,
        scheme=DEVICE_SCHEME,
        layouts=LAYOUTS,
    )
)
