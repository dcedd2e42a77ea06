"""The Coral Edge TPU as a target: TensorFlow Lite files of integers that its compiler maps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from edgec.ir import Graph, Role, register_scheme
from edgec.ir.ops import HardSwish
from edgec.lowering.edgetpu.files import write_edgetpu
from edgec.lowering.edgetpu.rewrites import rewrite_graph
from edgec.lowering.edgetpu.runtime import RUNTIME, load
from edgec.lowering.edgetpu.survey import survey
from edgec.lowering.target import Options, Target, register
from edgec.lowering.tflite.devices import refused_by_integer_device
from edgec.lowering.tflite.scheme import DEVICE_SCHEME
from edgec.lowering.tflite.shuffles import absorb_shuffles
from edgec.lowering.tflite.table import TFLITE
from edgec.lowering.tflite.target import LAYOUTS

OPTIONS = ("io_layout", "io_dtype")
PIPELINE = "O2,integerize,layout{to=nhwc,io=free},cleanup,cse,dce"

EDGETPU_SCHEME = register_scheme(
    replace(
        DEVICE_SCHEME,
        name="edgetpu",
        roles=MappingProxyType({**DEVICE_SCHEME.roles, HardSwish: Role.EXPANDED}),
    )
)


def _legalize(graph: Graph) -> None:
    absorb_shuffles(graph)
    rewrite_graph(graph)


def _write(graph: Graph, path: Path, options: Options) -> None:
    write_edgetpu(graph, path, {name: options[name] for name in OPTIONS if name in options})


EDGETPU_TARGET = register(
    Target(
        name="edgetpu",
        summary="8-bit TensorFlow Lite files for Google's Coral Edge TPU",
        suffix=".tflite",
        pipeline=PIPELINE,
        rules=TFLITE,
        legalize=_legalize,
        refused=refused_by_integer_device,
        write=_write,
        runtime=RUNTIME,
        load=load,
        precisions=("int8",),
        option_names=OPTIONS,
        scheme=EDGETPU_SCHEME,
        layouts=LAYOUTS,
        survey=survey,
    )
)
