#!/usr/bin/env python3
"""Build the TensorRT engine of this package, on the device that will run it.

It needs the device's own ``tensorrt`` and nothing else: TensorRT 8.6 and later (JetPack 5.1.2), or
TensorRT-RTX. ``trtexec.sh`` beside it does the same by NVIDIA's command line tool.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

try:
    import tensorrt as trt
except ImportError:
    import tensorrt_rtx as trt

HERE = Path(__file__).resolve().parent


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Build the engine of this package.")
    parser.add_argument("--engine", default=str(HERE / "model.engine"), help="default: beside it")
    parser.add_argument("--workspace", type=int, default=1024, help="MiB for kernels, default 1024")
    parser.add_argument("--timing-cache", help="a file that remembers which kernels were fastest")
    chosen = parser.parse_args(arguments)
    package = json.loads((HERE / "package.json").read_text())
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    network = builder.create_network(network_flags())
    parse(network, logger, HERE / package["model"])
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, chosen.workspace << 20)
    config.clear_flag(trt.BuilderFlag.TF32)
    if not hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED"):
        allow(config, package["precision"])
    add_profile(builder, config, package["shapes"])
    if chosen.timing_cache:
        open_cache(config, Path(chosen.timing_cache))
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        print("TensorRT could not build the engine: see its messages above.", file=sys.stderr)
        return 1
    Path(chosen.engine).write_bytes(bytes(engine))
    if chosen.timing_cache:
        Path(chosen.timing_cache).write_bytes(bytes(config.get_timing_cache().serialize()))
    print(f"{chosen.engine}: {engine.nbytes / 1e6:.2f} MB by {trt.__name__} {trt.__version__}")
    return 0


def network_flags() -> int:
    """Types come from the model alone; before TensorRT 9 its own flag names explicit batches."""
    flags = trt.NetworkDefinitionCreationFlag
    name = "STRONGLY_TYPED" if hasattr(flags, "STRONGLY_TYPED") else "EXPLICIT_BATCH"
    return 1 << int(getattr(flags, name))


def parse(network: Any, logger: Any, model: Path) -> None:
    """Read the model into the network; every complaint of the parser ends the program."""
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model.read_bytes()):
        found = [str(parser.get_error(i)) for i in range(parser.num_errors)]
        sys.exit("TensorRT's parser refuses the model:\n" + "\n".join(found))


def allow(config: Any, precision: str) -> None:
    """Before TensorRT 9 the builder chose types itself, of those that it is allowed."""
    if precision != "fp32":
        config.set_flag(trt.BuilderFlag.FP16)
    if precision.startswith("int8"):
        config.set_flag(trt.BuilderFlag.INT8)


def add_profile(builder: Any, config: Any, shapes: dict[str, Any]) -> None:
    """Bounds of inputs with unknown dims: least, usual, most."""
    if not shapes:
        return
    profile = builder.create_optimization_profile()
    for name, (least, usual, most) in shapes.items():
        profile.set_shape(name, least, usual, most)
    config.add_optimization_profile(profile)


def open_cache(config: Any, path: Path) -> None:
    """Timings of earlier builds."""
    data = path.read_bytes() if path.exists() else b""
    config.set_timing_cache(config.create_timing_cache(data), False)


if __name__ == "__main__":
    sys.exit(main())
