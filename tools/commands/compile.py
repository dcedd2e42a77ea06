"""edgec compile"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from edgec.lowering import load_samples, target_named
from edgec.passes import PIPELINES
from edgec.tools import driver, report
from edgec.tools.arguments import STANDARD, add_model, add_watching, load_model, settings_of
from edgec.tools.progress import compiling_kernels

NAME = "compile"
SUMMARY = "optimize a model and write it for a target"
EXAMPLES = """\
  edgec compile model.onnx -t onnx -o out.onnx --verify
  edgec compile model.onnx -t onnx -o out.onnx --input-shape input:1x3x224x224 -O O1"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("-t", "--target", default="onnx", help="default: onnx")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="the artifact")
    level = parser.add_mutually_exclusive_group()
    level.add_argument("-O", "--level", choices=sorted(PIPELINES), help="a named pipeline")
    level.add_argument("-p", "--pipeline", help="passes, as in cleanup,fuse,dce")
    parser.add_argument("--opset", type=int, help="of the written ONNX (default: 19)")
    parser.add_argument("--verify", action="store_true",
                        help="run the artifact and compare with the reference kernels")  # fmt: skip
    parser.add_argument("--data", metavar="X.NPZ", help="inputs for --verify, by input name")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save-ir", metavar="DIR", help="write the graph after every pass there")
    add_watching(parser)


def run(chosen: argparse.Namespace) -> int:
    target = target_named(chosen.target)
    if chosen.verify:
        target.runtime.require()
    begin = time.perf_counter()
    graph = load_model(chosen.model, chosen.input_shape)
    read = time.perf_counter() - begin
    samples = list(load_samples(Path(chosen.data), graph)) if chosen.data else None
    options = {"opset": chosen.opset} if chosen.opset else {}
    with compiling_kernels():
        compiled = driver.compile(
            graph,
            target.name,
            _destination(chosen.output),
            pipeline=chosen.pipeline or chosen.level,
            verify=chosen.verify,
            samples=samples,
            settings=settings_of(chosen, graph),
            options=options,
            threads=chosen.threads,
        )
    _print(chosen, compiled, len(graph), {"read": read, **compiled.seconds})
    return 0


def _destination(text: str) -> Path:
    if text == STANDARD:
        return Path("/dev/stdout")
    return Path(text)


def _print(
    chosen: argparse.Namespace,
    compiled: driver.Compiled,
    ops_before: int,
    seconds: dict[str, float],
) -> None:
    size = compiled.path.stat().st_size
    check = compiled.verification
    if chosen.json:
        report.print_json(
            {
                "output": str(compiled.path),
                "bytes": size,
                "ops_before": ops_before,
                "ops_after": len(compiled.graph),
                "seconds": seconds,
                "passes": report.reports_json(compiled.reports),
                "verification": check and check.as_json(),
            }
        )
        return
    if chosen.time:
        report.print_table(report.PASS_COLUMNS, report.pass_rows(compiled.reports))
    took = ", ".join(f"{stage} {value:.2f} s" for stage, value in seconds.items())
    print(
        f"{compiled.path}: {ops_before} ops → {len(compiled.graph)}, "
        f"{report.megabytes(size)} MB ({took})"
    )
    if check is not None:
        print(
            f"verified against the reference kernels on {check.samples} set(s) of inputs: "
            f"largest difference {check.largest:.1e} of {check.allowed:.1e} allowed"
        )
    sys.stdout.flush()


