"""ONNX as a target, for ONNX Runtime and for every tool that reads ONNX."""

from __future__ import annotations

from pathlib import Path

from edgec.ir import Graph
from edgec.lowering.onnx.quant_scheme import ONNX_SCHEME
from edgec.lowering.onnx.runner import RUNTIME, OnnxRunner
from edgec.lowering.onnx.workarounds import avoid_defects
from edgec.lowering.onnx.writer import DEFAULT_OPSET, WRITERS, check_writable, write_onnx
from edgec.lowering.saturation import overflows_here
from edgec.lowering.target import Options, Runner, Target, register


def _write(graph: Graph, path: Path, options: Options) -> None:
    write_onnx(graph, path, opset=int(options.get("opset", DEFAULT_OPSET)))


def _load(path: Path, threads: int) -> Runner:
    return OnnxRunner(path, threads)


def _caveat(graph: Graph) -> str:
    return (
        "on this CPU (x86 without VNNI) onnxruntime's sums of 8-bit products overflow: checked "
        "with the session option session.x64quantprecision=1. To run it on such a CPU set that, "
        "or compile --precision 'int8{scheme=onnx-7bit}'"
        if overflows_here(graph)
        else ""
    )


ONNX = register(
    Target(
        name="onnx",
        summary="ONNX for ONNX Runtime and other readers",
        suffix=".onnx",
        pipeline="O2",
        rules=WRITERS,
        legalize=avoid_defects,  # the write rules themselves decompose what an opset lacks
        refused=check_writable,
        write=_write,
        runtime=RUNTIME,
        load=_load,
        precisions=("fp32", "fp16", "w8", "w4"),
        option_names=("opset",),
        scheme=ONNX_SCHEME,
        caveat=_caveat,
    )
)
