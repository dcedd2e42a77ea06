"""edgec compile"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from pathlib import Path

from edgec.ir import Error, Kind
from edgec.lowering import target_named
from edgec.passes import PIPELINES
from edgec.tools import driver, report
from edgec.tools.arguments import (
    STANDARD,
    add_model,
    add_watching,
    load_model,
    natural,
    samples_of,
    settings_of,
)
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
    parser.add_argument(
        "--verify",
        action="store_true",
        help="run the artifact and compare with the reference kernels",
    )
    parser.add_argument("--data", metavar="X.NPZ", help="inputs for --verify, by input name")
    parser.add_argument("--threads", type=natural, default=1)
    parser.add_argument("--save-ir", metavar="DIR", help="write the graph after every pass there")
    add_watching(parser)


def run(chosen: argparse.Namespace) -> int:
    target = target_named(chosen.target)
    if chosen.verify:
        target.runtime.require()
    begin = time.perf_counter()
    graph = load_model(chosen.model, chosen.input_shape)
    read = time.perf_counter() - begin
    samples = samples_of(chosen, graph)
    options = {"opset": chosen.opset} if chosen.opset else {}
    with _destination(chosen.output, target.suffix) as path, compiling_kernels():
        compiled = driver.compile(
            graph,
            target.name,
            path,
            pipeline=chosen.pipeline or chosen.level,
            verify=chosen.verify,
            samples=samples,
            settings=settings_of(chosen, graph),
            options=options,
            threads=chosen.threads,
        )
    with _messages(chosen.output):
        _print(chosen, compiled, len(graph), {"read": read, **compiled.seconds})
    return 0


@contextmanager
def _destination(text: str, suffix: str) -> Iterator[Path]:
    """Where to write; what - stands for is copied to standard output at the end."""
    if text != STANDARD:
        yield Path(text)
        return
    with tempfile.TemporaryDirectory(prefix="edgec-") as folder:
        path = Path(folder) / f"model{suffix}"
        yield path
        if len(list(path.parent.iterdir())) > 1:
            raise Error(Kind.USAGE, "this model takes several files", instead=f"-o model{suffix}")
        sys.stdout.buffer.write(path.read_bytes())
        sys.stdout.buffer.flush()


def _messages(output: str) -> AbstractContextManager[object]:
    """Messages go to standard error when the artifact goes to standard output."""
    return redirect_stdout(sys.stderr) if output == STANDARD else nullcontext()


def _print(
    chosen: argparse.Namespace,
    compiled: driver.Compiled,
    ops_before: int,
    seconds: dict[str, float],
) -> None:
    check = compiled.verification
    if chosen.json:
        report.print_json(
            {
                "output": chosen.output,
                "bytes": compiled.size,
                "files": compiled.files,
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
    if chosen.layout_report:
        report.print_moves(compiled.reports)
    took = ", ".join(f"{stage} {value:.2f} s" for stage, value in seconds.items())
    print(
        f"{chosen.output}: {ops_before} ops → {len(compiled.graph)}, "
        f"{report.megabytes(compiled.size)} MB ({took})"
    )
    if check is not None:
        print(
            f"verified against the reference kernels on {check.samples} set(s) of inputs: "
            f"largest difference {check.largest:.1e} of {check.allowed:.1e} allowed"
        )
    sys.stdout.flush()
