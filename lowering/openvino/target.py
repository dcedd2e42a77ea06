"""OpenVINO as a target: its intermediate representation, run by the CPU plugin."""

from __future__ import annotations

from pathlib import Path

from edgec.ir import Graph
from edgec.lowering.openvino.limits import check_expressible
from edgec.lowering.openvino.quant_scheme import OPENVINO_SCHEME
from edgec.lowering.openvino.runner import OpenvinoRunner
from edgec.lowering.openvino.runtime import RUNTIME
from edgec.lowering.openvino.table import OPENVINO
from edgec.lowering.openvino.writer import write_openvino
from edgec.lowering.openvino.zero_points import drop_zero_points
from edgec.lowering.saturation import overflows_here
from edgec.lowering.target import Options, Runner, Target, register


def _write(graph: Graph, path: Path, options: Options) -> None:
    write_openvino(graph, path, precision=str(options.get("precision", "fp32")))


def _load(path: Path, threads: int) -> Runner:
    return OpenvinoRunner(path, threads)


def _load_with(path: Path, threads: int, options: Options) -> Runner:
    return OpenvinoRunner(path, threads, **options)


def _caveat(graph: Graph) -> str:
    return (
        "on this CPU (x86 without VNNI) OpenVINO's sums of 8-bit products overflow: checked in "
        "floats (LP_TRANSFORMS_MODE=NO). To run it on such a CPU compile --precision "
        "'int8{scheme=openvino-7bit}'"
        if overflows_here(graph)
        else ""
    )


OPENVINO_TARGET = register(
    Target(
        name="openvino",
        summary="OpenVINO's intermediate representation (.xml and .bin) for CPUs",
        suffix=".xml",
        pipeline="O2",
        rules=OPENVINO,
        legalize=drop_zero_points,  # the rules themselves decompose what OpenVINO lacks
        refused=check_expressible,
        write=_write,
        runtime=RUNTIME,
        load=_load,
        precisions=("fp32", "fp16", "w8", "w4"),
        scheme=OPENVINO_SCHEME,
        option_names=("precision",),
        load_with=_load_with,
        runtime_options=("device", "hint"),
        caveat=_caveat,
    )
)
