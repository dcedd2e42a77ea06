"""TensorRT as a target: engines, built here by TensorRT-RTX or TensorRT, run on a GPU."""

from __future__ import annotations

from pathlib import Path

from edgec.ir import Graph
from edgec.lowering.target import Options, Runner, Target, register
from edgec.lowering.tensorrt.build import Settings, write_engine
from edgec.lowering.tensorrt.limits import check_expressible
from edgec.lowering.tensorrt.profiles import parse_bounds
from edgec.lowering.tensorrt.runner import TensorrtRunner
from edgec.lowering.tensorrt.runtime import RUNTIME
from edgec.lowering.tensorrt.scheme import TENSORRT_SCHEME
from edgec.lowering.tensorrt.table import TENSORRT


def settings_of(options: Options) -> Settings:
    """The settings that a target's options amount to. Raises Error on shapes that do not read."""
    cache = options.get("timing_cache")
    return Settings(
        shapes=parse_bounds(options.get("shapes", ())),
        capabilities=tuple(options.get("sm", ())),
        version_compatible=bool(options.get("version_compatible", False)),
        tf32=bool(options.get("tf32", False)),
        timing_cache=None if cache is None else Path(cache),
    )


def _write(graph: Graph, path: Path, options: Options) -> None:
    write_engine(graph, path, settings_of(options))


def _load(path: Path, threads: int) -> Runner:
    return TensorrtRunner(path)


TENSORRT_TARGET = register(
    Target(
        name="tensorrt",
        summary="TensorRT engines for NVIDIA GPUs (.engine)",
        suffix=".engine",
        pipeline="O2",
        rules=TENSORRT,
        legalize=lambda graph: None,  # the rules themselves decompose what TensorRT lacks
        refused=check_expressible,
        write=_write,
        runtime=RUNTIME,
        load=_load,
        precisions=("fp32", "fp16", "bf16", "int8", "w8", "w4"),
        option_names=("shapes", "sm", "version_compatible", "tf32", "timing_cache"),
        scheme=TENSORRT_SCHEME,
    )
)
