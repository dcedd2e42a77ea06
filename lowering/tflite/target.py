"""TensorFlow Lite as a target: files for LiteRT, and what compiles them further."""

from __future__ import annotations

from pathlib import Path

from edgec.ir import Graph, LayoutCosts
from edgec.ir.ops import Resize
from edgec.lowering.target import Options, Runner, Target, register
from edgec.lowering.tflite.files import check_expressible, write_tflite
from edgec.lowering.tflite.runner import TfliteRunner
from edgec.lowering.tflite.runtime import RUNTIME
from edgec.lowering.tflite.scheme import TFLITE_SCHEME
from edgec.lowering.tflite.shuffles import absorb_shuffles
from edgec.lowering.tflite.table import TFLITE

OPTIONS = ("precision", "io_layout", "io_dtype", "dynamic_range", "builtin_lstm")
# A resize of images knows channels last only, and stands between transposes elsewhere.
LAYOUTS = LayoutCosts("nhwc", {Resize: {"nchw": 1 << 24}})


def _write(graph: Graph, path: Path, options: Options) -> None:
    given = {name: options[name] for name in OPTIONS if name in options}
    write_tflite(graph, path, **given)


def _load(path: Path, threads: int) -> Runner:
    return TfliteRunner(path, threads)


TFLITE_TARGET = register(
    Target(
        name="tflite",
        summary="TensorFlow Lite files (.tflite) for LiteRT on phones and small boards",
        suffix=".tflite",
        pipeline="O2,integerize,layout{to=nhwc},cleanup,cse,dce",
        rules=TFLITE,
        legalize=absorb_shuffles,  # the rules themselves decompose what no builtin does
        refused=check_expressible,
        write=_write,
        runtime=RUNTIME,
        load=_load,
        precisions=("fp32", "fp16", "w8", "w4"),
        option_names=OPTIONS,
        scheme=TFLITE_SCHEME,
        layouts=LAYOUTS,
    )
)
