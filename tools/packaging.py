"""Arguments of ``edgec compile -t tensorrt``, and ``--package``: a folder that builds the engine on
the device."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from edgec.ir import Error, Graph, Kind
from edgec.lowering.tensorrt import TENSORRT_TARGET, parse_bounds, write_package
from edgec.passes import parse_pipeline, preset_named, with_preset
from edgec.tools import driver, report
from edgec.tools.arguments import images_of, samples_of, settings_of
from edgec.tools.progress import compiling_kernels


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """What an engine is built for."""
    group = parser.add_argument_group("TensorRT (-t tensorrt)")
    group.add_argument(
        "--shapes",
        action="append",
        metavar="NAME:MIN/OPT/MAX",
        help="bounds of an input with unknown dims, as in input:1x3x224x224/4x3x224x224/"
        "8x3x224x224; may be given several times (default: one batch entry, one size)",
    )
    group.add_argument(
        "--sm",
        type=capabilities,
        metavar="LIST",
        help="compute capabilities to build for, as in 86,89,120 (TensorRT-RTX)",
    )
    group.add_argument(
        "--version-compatible",
        action="store_true",
        default=None,
        help="an engine that later versions load too",
    )
    group.add_argument("--timing-cache", metavar="FILE", help="of kernels, for TensorRT on a GPU")


ENGINE_OPTIONS = ("shapes", "sm", "version_compatible", "timing_cache")


def capabilities(text: str) -> tuple[int, ...]:
    """``86,8.9`` as (86, 89), for argparse."""
    return tuple(int(part.replace(".", "")) for part in text.split(","))


def engine_options(chosen: argparse.Namespace) -> dict[str, Any]:
    """The options that were given, by name. Raises Error when the target has none of them."""
    given = {name: getattr(chosen, name) for name in ENGINE_OPTIONS}
    options = {name: value for name, value in given.items() if value is not None}
    strange = [f"--{name.replace('_', '-')}" for name in options]
    if chosen.package is not None:
        strange.append("--package")
    if strange and chosen.target != TENSORRT_TARGET.name:
        raise Error(Kind.USAGE, f"{', '.join(strange)} is for engines",
                    instead=f"-t {TENSORRT_TARGET.name}")  # fmt: skip
    return options


def write(chosen: argparse.Namespace, graph: Graph) -> int:
    """``--package``: the model, quantized as TensorRT wants it, with all that builds it."""
    preset = preset_named(chosen.precision)
    pipeline = parse_pipeline(chosen.pipeline or chosen.level or TENSORRT_TARGET.pipeline)
    passes = with_preset(pipeline, preset, TENSORRT_TARGET.scheme, TENSORRT_TARGET.name)
    folder = Path(chosen.package)
    with tempfile.TemporaryDirectory(prefix="edgec-") as scratch, compiling_kernels():
        compiled = driver.compile(
            graph,
            "onnx",
            Path(scratch) / "model.onnx",
            calibration=chosen.calibration,
            images=images_of(chosen, chosen.model),
            pipeline=passes,
            verify=chosen.verify,
            samples=samples_of(chosen, graph),
            settings=settings_of(chosen, graph),
            threads=chosen.threads,
        )
        files = write_package(
            compiled.graph,
            folder,
            precision=chosen.precision,
            shapes=parse_bounds(chosen.shapes or ()),
            samples=samples_of(chosen, graph),
            **({"opset": chosen.opset} if chosen.opset else {}),
        )
    size = sum(path.stat().st_size for path in files)
    if chosen.json:
        names = [path.name for path in files]
        report.print_json({"package": str(folder), "files": names, "bytes": size})
    else:
        print(f"{folder}: {len(files)} files, {report.megabytes(size)} MB; on the device: "
              "python3 build.py, then python3 check.py")  # fmt: skip
    return 0
